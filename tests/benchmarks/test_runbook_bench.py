"""A short run of the benchmarks of runbooks and diagnoses: what must hold holds. Says nothing about speed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.faults import CASES, INCLUDED, WORDS, Cause, named
from benchmarks.report import fill

ROOT = Path(__file__).parents[2]


async def small(name: str, *options: str) -> dict[str, Any]:
    """The result of a short run, which is the only line on standard output; without peers."""
    environment = os.environ | {"AFIELD_BENCH_PYTHON": str(ROOT / "no-such-python")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"benchmarks.{name}", "--json", "--small", *options,
        cwd=ROOT, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0
    (line,) = out.decode().splitlines()
    return json.loads(line)


@pytest.mark.bench
@pytest.mark.timeout(120)
async def test_steps_run_once_within_the_budgets_and_the_figures_fill_the_page(tmp_path: Path) -> None:
    result = await small("runbook", "--only", "as_shipped")
    (one,) = result["managed"].values()
    assert (one["steps"], one["ran_twice"]) == (20, 0)
    calls = one["calls_per_step"]
    assert calls["command_put"] == 1
    assert calls["command_delete"] <= 1
    assert one["all_calls_per_step"] == pytest.approx(sum(calls.values()), abs=0.01)
    assert one["lag_grains"]["median"] >= 0
    assert result["aims"]["budgets_kept"], one["beyond_budget"]
    assert result["aims"]["manager_kept"], one["beyond_budget"]
    assert result["ssh"] == {"skipped": "left out"}
    (tmp_path / "runbook.json").write_text(json.dumps(result))
    filled = fill("<!-- runbook: begin --><!-- runbook: end -->", tmp_path)
    assert "| as shipped, limits enforced | 20 |" in filled
    assert "Over ssh: not measured (left out)." in filled


@pytest.mark.bench
@pytest.mark.timeout(120)
async def test_diagnoses_name_the_cause_and_touch_nothing(tmp_path: Path) -> None:
    faults = ("nothing", "stuck_v1", "false_conflict", "foreign_command", "agent_not_ready", "deallocated", "forbidden")
    result = await small("detect", "--only", *faults)
    assert (result["share_right"], result["false_alarms"], result["wrong"]) == (1, 0, [])
    assert (result["scripts_run_by_diagnosing"], result["changes_made_by_diagnosing"]) == (0, 0)
    assert set(result["by_fault"]) == set(faults)
    assert result["reads_per_diagnosis"] > 0
    (tmp_path / "detect.json").write_text(json.dumps(result))
    filled = fill("<!-- detect: begin --><!-- detect: end -->", tmp_path)
    assert "| `stuck_v1` | a command is shown as running and cannot end | 1 of 1 |" in filled
    assert "Of those that were wrong" not in filled


def test_a_sentence_names_the_causes_whose_words_it_has() -> None:
    assert named("Nothing is wrong with target one as far as was asked.") == frozenset()
    assert named("The VM web1 is deallocated, so no command can run there.") == {Cause.OFF}
    assert named("Azure does not tell it; that does not mean that it is stopped.") == frozenset()
    stuck = "It cannot end any more: it began longer ago than the 90 minutes it may take"
    assert named(stuck) == {Cause.STUCK}
    assert named("The guest agent of web1 is not ready, and Azure answered 503: `session show 503`") == {
        Cause.AGENT,
        Cause.TROUBLE,
    }


def test_every_cause_has_its_words_and_its_case() -> None:
    assert set(WORDS) == set(Cause)
    assert {case.cause for case in CASES} == {*Cause, None}
    assert len({case.name for case in CASES}) == len(CASES)
    assert set(INCLUDED) <= set(Cause)
    assert all(re.compile(words) for words in WORDS.values())
