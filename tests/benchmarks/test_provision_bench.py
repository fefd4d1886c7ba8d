"""A short run of the benchmark of whole jobs: that it measures what it says. Says nothing about speed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.demos import Accounts
from benchmarks.harness import machine
from benchmarks.provision import Ended, level
from benchmarks.provision_report import provision

from afield.provisioning.agents.names import AgentName

ROOT = Path(__file__).parents[2]


@pytest.mark.bench
@pytest.mark.timeout(180)
async def test_a_job_is_timed_by_its_agents_and_each_has_its_costs() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.provision", "--json", "--small"),
        cwd=ROOT, env=os.environ | {"AFIELD_BENCH_PYTHON": str(ROOT / "no-such-python")},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0
    result: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    [whole] = result["levels"]
    assert (whole["rows"], whole["jobs"], whole["aim"]) == (5_000, 1, None)
    assert list(whole["stages_p50_s"]) == [agent.value for agent in AgentName]
    assert 0 < sum(whole["stages_p50_s"].values()) <= whole["p50_s"] + 1
    assert 12 <= whole["golden_passed"] <= whole["golden"]
    for agent in AgentName:
        costs = result["agents"][agent.value]
        assert costs["processes"] >= 1
        assert 20 < costs["peak_mib"] < 3072
        assert 0 < costs["cpu_p50_s"] < 60
    assert result["data"]["rows_per_s"] > 0
    assert result["data"]["times_faker"] is None  # there are no peers here
    assert result["aims"] == {"times_faker": None}
    assert "Faker is not installed" in provision(result)


def test_the_page_says_which_aims_were_missed() -> None:
    stages = dict.fromkeys(AgentName, 1.5)
    levels = [level([Ended(rows, 35.0, stages, (20, 21))], rows) for rows in (100_000, 1_000_000)]
    costs = {"peak_mib": 200, "cpu_p50_s": 1.1, "processes": 2}
    data = {"rows": 1000, "rows_per_s": 500_000, "faker_rows_per_s": 8_000, "times_faker": 62.5, "versions": {}}
    told = provision(
        {
            "levels": levels,
            "agents": {agent.value: costs for agent in AgentName},
            "data": data,
            "aims": {"100000": False, "1000000": True, "times_faker": True},
            "machine": machine(),
        }
    )
    assert "| Research Agent | 1.5 | 1.5 | 1.1 | 200 |" in told
    assert "With 100,000 rows 35.0 s (aim at most 30 s): **missed**" in told
    assert "With 1,000,000 rows 35.0 s (aim at most 60 s): met" in told
    assert "62.5 times as many (aim at least 25: met)" in told


@pytest.mark.parametrize(
    ("rows", "seconds", "aim"), [(100_000, 20.0, 30.0), (1_000_000, 40.0, 60.0), (5_000, 20.0, None)]
)
def test_the_aim_is_about_the_median_or_the_longest(rows: int, seconds: float, aim: float | None) -> None:
    stages = dict.fromkeys(AgentName, 1.0)
    found = level([Ended(rows, taken, stages, (20, 21)) for taken in (10.0, 20.0, 40.0)], rows)
    assert (found["seconds"], found["aim"]) == (seconds, aim)
    assert (found["p50_s"], found["longest_s"]) == (20.0, 40.0)
    assert (found["golden_passed"], found["golden"]) == (60, 63)


async def test_costs_are_those_of_this_installations_agents_alone(tmp_path: Path) -> None:
    """A process that looks like an agent, one of another installation, and one that is none."""
    idle = "import sys; held = b'x' * 40_000_000; sys.stdin.read()"
    agent = ["-m", "afield.provisioning.agent_process", "data"]
    commands = [(tmp_path, agent), (tmp_path / "other", agent), (tmp_path, [])]
    async with Accounts(tmp_path) as accounts:
        processes = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", idle, *words),
                stdin=asyncio.subprocess.PIPE,
                env={**os.environ, "AFIELD_HOME": str(home)},
            )
            for home, words in commands
        ]
        try:
            async with asyncio.timeout(20):
                while not any(cost.peak_mib > 40 for cost in accounts.of("data")):
                    await asyncio.sleep(0.05)
        finally:
            await asyncio.gather(*(process.communicate(b"") for process in processes))
    assert list(accounts.costs) == [processes[0].pid]
