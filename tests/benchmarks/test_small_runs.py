"""A short run of each benchmark: that it works, and that what must hold holds. Says nothing about speed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.leases import jain
from benchmarks.report import fill
from benchmarks.web import p95

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


@pytest.mark.bench
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


@pytest.mark.bench
@pytest.mark.timeout(120)
async def test_calls_are_one_page_for_a_hundred() -> None:
    result = await small("calls")
    assert result["calls_per_minute"].keys() == result["poll_each_per_minute"].keys() == {"20", "120"}
    assert result["aim_met"]
    for mode in ("alone", "shared", "adaptive"):
        for one in result[mode]:
            assert one["pages_per_look"] + one["singles_per_look"] <= -(-one["live"] // 100) + 1
            assert one["poll_each_per_minute"] > one["calls_per_minute"]


@pytest.mark.bench
@pytest.mark.crash
@pytest.mark.timeout(180)
async def test_a_crash_doubles_nothing() -> None:
    result = await small("crash")
    assert result["afield"] == {"after_intent": 1, "after_send": 1}, result["notes"]
    assert result["peer"] == {}
    assert result["aim_met"]


@pytest.mark.bench
@pytest.mark.timeout(120)
async def test_the_sandbox_is_timed_beside_a_bare_fork(tmp_path: Path) -> None:
    result = await small("sandbox")
    assert {"fork", "jail", "cold_python"} <= set(result["times"])
    assert all(one["p95_ms"] >= one["p50_ms"] > 0 for one in result["times"].values())
    assert result["memory_per_waiting_worker_mib"] > 0
    assert "warm Python run in the jail" in shown("sandbox", result, tmp_path)


@pytest.mark.bench
@pytest.mark.timeout(180)
async def test_execute_runs_the_same_on_both_sides(tmp_path: Path) -> None:
    result = await small("execute")
    [level] = result["levels"]
    assert [level[side]["n"] for side in ("direct", "afield")] == [20, 20]
    assert [result["alone"][side]["n"] for side in ("direct", "afield")] == [10, 10]
    alone = result["alone"]
    assert result["p50_added_ms"] == pytest.approx(alone["afield"]["p50_ms"] - alone["direct"]["p50_ms"], abs=0.02)
    assert result["share_of_throughput"] == pytest.approx(level["share"], abs=0.01)
    assert result["share_of_throughput"] > 0
    assert result["aims"]["added"] == (result["p50_added_ms"] <= 5)
    assert "4 at once" in shown("execute", result, tmp_path)


@pytest.mark.bench
@pytest.mark.timeout(180)
async def test_leases_are_fair_and_no_session_is_lost_to_a_cooldown(tmp_path: Path) -> None:
    result = await small("leases")
    leased, unleased = result["leased"], result["unleased"]
    assert leased["fairness"] > 0.8, leased  # first come, first served would give 0.64
    assert result["aims"]["fairness"] == (leased["fairness"] >= 0.95)
    assert (leased["users_without_a_run"], leased["refused"]) == (0, 0)
    assert leased["runs_at_the_adapters"] >= leased["runs"] > unleased["runs"]
    # a place is had again after each cooldown, and not before
    assert unleased["runs"] <= 2 * (1 + result["window_s"] / result["cooldown_s"])
    assert unleased["refused"] > 0
    assert "leases of sessions" in shown("leases", result, tmp_path)


def shown(name: str, result: dict[str, Any], folder: Path) -> str:
    """The result as it stands in the page."""
    (folder / f"{name}.json").write_text(json.dumps(result))
    return fill(f"<!-- {name}: begin --><!-- {name}: end -->", folder)


def test_jains_index() -> None:
    assert jain([3, 3, 3]) == pytest.approx(1)
    assert jain([5, 0, 0, 0]) == pytest.approx(0.25)
    assert jain([0, 0]) == 0


def test_95_of_100_are_not_above_the_95th_percentile() -> None:
    assert p95(range(1, 101)) == 95
    assert p95([7.0]) == 7
    assert p95([2.0, 1.0]) == 2
