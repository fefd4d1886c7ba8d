"""A short run of the benchmark of a web process that stays awake: that it measures what it says, not how fast it is."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.provision_report import responsive
from benchmarks.responsive import Size, result, summary

ROOT = Path(__file__).parents[2]


@pytest.mark.bench
@pytest.mark.timeout(180)
async def test_the_web_process_is_timed_with_and_without_jobs() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.responsive", "--json", "--small"),
        cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    for side in ("without", "with"):
        for name in ("healthz", "status"):
            told = found[side][name]
            assert told["worst_ms"] >= told["p99_ms"] >= told["p50_ms"] > 0
            assert told["n"] >= 5
    assert "/healthz" in responsive(found)
    for name, ratio in found["p99_ratio"].items():
        sides = (found["with"][name]["p99_ms"], found["without"][name]["p99_ms"])
        assert ratio == pytest.approx(sides[0] / sides[1], rel=0.05)
        assert found["aims"][name] == (ratio <= 2)
    assert found["sse_lag"]["n"] >= 4  # it began, read, failed, was over
    assert 0 < found["sse_lag"]["p50_ms"] < 5000


def test_ratios_are_those_of_the_99th_percentiles() -> None:
    quiet = {"healthz": [1.0] * 100, "status": [2.0] * 100}
    busy = {"healthz": [1.0] * 99 + [50.0], "status": [2.0] * 98 + [5.0] * 2}
    told = result(Size(), quiet, busy, [3.0], 1.0)
    assert told["p99_ratio"] == {"healthz": 1.0, "status": 2.5}
    assert told["aims"] == {"healthz": True, "status": False}
    lines = responsive(told).splitlines()
    assert "1.0 / 1.0" in lines[2]
    assert lines[2].endswith("met |")
    assert lines[3].endswith("**missed** |")


def test_a_summary_has_the_middle_the_tail_and_the_worst() -> None:
    assert summary([1.0, 2.0, 9.0]) == {"p50_ms": 2.0, "p99_ms": 9.0, "worst_ms": 9.0, "n": 3}
