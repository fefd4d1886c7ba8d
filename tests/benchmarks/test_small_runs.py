"""A short run of each benchmark: that it works, and that what must hold holds. Says nothing about speed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


async def small(name: str, *options: str) -> dict[str, Any]:
    """The result of a short run, without peers: those need a virtual environment of their own."""
    environment = os.environ | {"AFIELD_BENCH_PYTHON": str(ROOT / "no-such-python")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"benchmarks.{name}", "--json", "--small", *options,
        cwd=ROOT, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out.decode().splitlines()[-1])


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_throughput_does_the_same_work_for_both_sides() -> None:
    result = await small("throughput")
    assert result["afield_per_s"] > 0
    assert result["bare_per_s"] > 0
    assert result["ratio_to_bare"] == pytest.approx(result["afield_per_s"] / result["bare_per_s"], rel=0.01)
    assert result["peers"] == {}
    assert result["ratio_to_best_peer"] is None
    assert set(result["skipped"]) == {"dbos", "procrastinate", "procrastinate_two_jobs", "celery"}
    for name in ("afield", "bare"):
        calls = result["detail"][name]["calls_per_execution"]
        assert {kind: calls[kind] for kind in ("create", "workflows", "download_urls", "download")} == {
            "create": 1,
            "workflows": 2,  # saved and deleted
            "download_urls": 1,
            "download": 1,
        }


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_calls_are_one_page_for_a_hundred() -> None:
    result = await small("calls")
    assert result["calls_per_minute"].keys() == result["poll_each_per_minute"].keys() == {"20", "120"}
    assert result["aim_met"]
    for mode in ("alone", "shared", "adaptive"):
        for one in result[mode]:
            assert one["pages_per_look"] + one["singles_per_look"] <= -(-one["live"] // 100) + 1
            assert one["poll_each_per_minute"] > one["calls_per_minute"]


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(180)
async def test_a_crash_doubles_nothing() -> None:
    result = await small("crash")
    assert result["afield"] == {"after_intent": 1, "after_send": 1}, result["notes"]
    assert result["peer"] == {}
    assert result["aim_met"]
