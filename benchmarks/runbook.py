"""Runbook sessions on 200 simulated virtual machines, five short steps each, through a real worker process: steps a
second, what a step costs, and its calls against the budgets of Azure. Beside it the ssh connector and Ansible, which do
the same work at the same machines.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from afield.config import LogFormat
from afield.kernel import Kernel
from afield.ledger import embedded
from afield.model.ids import parse_attempt_key
from afield.model.jsontypes import JsonObject
from afield.model.target import Target
from afield.telemetry.logs import set_up_logs
from benchmarks import over_ssh
from benchmarks.fleet import Fleet, add_machines, fleet, installation, worker_process
from benchmarks.harness import (
    Json,
    Server,
    arguments,
    machine,
    peer_versions,
    say,
    server,
    tree_cpu,
    workspace,
)
from benchmarks.report import finish
from benchmarks.stepping import SCRIPTS, StepEnd, ends, start_each, start_lanes, until_over

MOST_CALLS = 4  # for one short step
MANAGER = frozenset({"subscription reads", "subscription writes", "subscription deletes"})
"""The budgets of Resource Manager, for all calls of one caller; the others are those of Compute."""
SECONDS = 900.0  # that one scenario may take

Start = Callable[[Kernel, Sequence[Target]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """How the work is put, how Azure behaves, and how often it may be called."""

    name: str
    start: Start
    sessions: Callable[[int], int]
    azure: Mapping[str, object]
    settings: JsonObject = field(default_factory=dict)

    @property
    def grain(self) -> float:
        return float(str(self.azure["status_grain_s"]))


REAL: Mapping[str, object] = {"status_grain_s": 15, "status_lag_s": 7.5, "enforce_limits": True}
QUICK: Mapping[str, object] = {"status_grain_s": 0.2, "status_lag_s": 0.1, "enforce_limits": False}
SMALL_REAL: Mapping[str, object] = {"status_grain_s": 1, "status_lag_s": 0.5, "enforce_limits": True}
RAISED: JsonObject = {
    "pace": 0,
    "min_interval": 0.2,
    "max_interval": 1,
    "visibility_delay": 0.2,
    "calls_per_minute": 1_000_000,
}


def scenarios(small: bool) -> list[Scenario]:
    """`as_shipped`: the limits of Azure are enforced, the targets' settings are those they come with, and status comes
    every 15 s, as from Azure. The others show what Afield can do: nothing is held back, and limits are only counted."""
    one_each, one_in_all = (lambda machines: machines), (lambda _: 1)
    settings: JsonObject = {"min_interval": 0.4, "visibility_delay": 0.4} if small else {}
    return [
        Scenario("as_shipped", start_each, one_each, SMALL_REAL if small else REAL, settings),
        Scenario("unpaced", start_each, one_each, QUICK, RAISED),
        Scenario("unpaced_one_session", start_lanes, one_in_all, QUICK, RAISED),
    ]


@dataclass(frozen=True, slots=True)
class Reading:
    """What has been used so far: CPU seconds by process, calls by kind, calls beyond a budget."""

    worker: float
    store: float
    simulator: float
    calls: Counter[str]
    violations: Counter[str]

    @classmethod
    async def take(cls, some: Fleet, postgres: Server, worker: int) -> Reading:
        return cls(
            worker=tree_cpu(worker),
            store=tree_cpu(embedded.postmaster_pid(postgres.home) or 0),
            simulator=tree_cpu(some.process.pid),
            calls=await some.calls(),
            violations=await _violations(some),
        )


async def _violations(some: Fleet) -> Counter[str]:
    """Calls beyond a budget, by whose budget it was and which."""
    found: Counter[str] = Counter()
    for scope, budgets in (await some.admin.counters())["violations"].items():
        whose = "subscription" if scope == "subscription" else "machine"
        found.update({f"{whose} {budget}": count for budget, count in budgets.items()})
    return found


async def measure(scenario: Scenario, machines: int, postgres: Server, folder: Path) -> Json:
    """One scenario, with a simulator, a database and a worker of its own."""
    async with (
        fleet(folder / f"sim-{scenario.name}", machines + 1, **scenario.azure) as some,
        installation(postgres, folder / scenario.name) as kernel,
        worker_process(kernel) as worker,
    ):
        spare, *targets = await add_machines(kernel, some, some.machines, scenario.settings)
        await start_each(kernel, [spare], SCRIPTS[:1])  # what is loaded and learned at first is not the steps'
        await until_over(kernel, 1, SECONDS)
        before = await Reading.take(some, postgres, worker.pid)
        began, clock = datetime.now(UTC), time.perf_counter()
        await scenario.start(kernel, targets)
        recorded = time.perf_counter() - clock
        await until_over(kernel, 1 + scenario.sessions(machines), SECONDS)
        after = await Reading.take(some, postgres, worker.pid)
        ended = [end for end in await ends(kernel) if end.at > began]
        journal = await some.admin.journal()
    told = _told(before, after, ended, began)
    told |= {"record_seconds": round(recorded, 2), "machines": machines, "settings": scenario.settings}
    return told | {"azure": dict(scenario.azure)} | _scripts(journal, ended, scenario.grain)


def _told(before: Reading, after: Reading, ended: Sequence[StepEnd], began: datetime) -> Json:
    """What the steps cost."""
    steps = len(ended)
    seconds = (max(end.at for end in ended) - began).total_seconds()
    calls = {kind: count for kind, count in sorted((after.calls - before.calls).items()) if count}

    def ms(used: float) -> float:
        return round(1000 * used / steps, 2)

    return {
        "steps": steps,
        "seconds": round(seconds, 2),
        "steps_per_s": round(steps / seconds, 2),
        "worker_cpu_ms_per_step": ms(after.worker - before.worker),
        "store_cpu_ms_per_step": ms(after.store - before.store),
        "simulator_cpu_ms_per_step": ms(after.simulator - before.simulator),
        "calls_per_step": {kind: round(count / steps, 3) for kind, count in calls.items()},
        "all_calls_per_step": round(sum(calls.values()) / steps, 3),
        "beyond_budget": dict(after.violations - before.violations),
    }


def _scripts(journal: Sequence[Json], ended: Sequence[StepEnd], grain: float) -> Json:
    """What really ran at the machines, and how long after a script's end the step's end was written down."""
    runs: dict[str, list[float]] = {}
    for line in journal:
        key = parse_attempt_key(line["name"])
        if key is not None and line["ended_at"] is not None:
            runs.setdefault(str(key[0]), []).append(line["ended_at"])
    lags = sorted((end.at.timestamp() - runs[str(end.execution_id)][-1]) / grain for end in ended)
    return {
        "ran_twice": sum(len(times) > 1 for times in runs.values()),
        "lag_grains": {
            "median": round(statistics.median(lags), 2),
            "p95": round(lags[int(0.95 * (len(lags) - 1))], 2),
            "most": round(lags[-1], 2),
        },
    }


async def run(machines: int, hosts: int, *, small: bool, only: Sequence[str] = ()) -> Json:
    managed: dict[str, Json] = {}
    with workspace() as folder:
        async with server(folder / "postgres") as postgres:
            for scenario in scenarios(small):
                if not only or scenario.name in only:
                    managed[scenario.name] = await measure(scenario, machines, postgres, folder)
                    say(f"{scenario.name}: {managed[scenario.name]}")
            ssh: Json = {"skipped": "left out"}
            if not only or "ssh" in only:
                ssh = await over_ssh.measure(hosts, 1 if small else 3, postgres, folder)
    say(f"ssh: {ssh}")
    return {"managed": managed, "ssh": ssh, "aims": aims(managed, ssh)} | {
        "versions": peer_versions(["ansible-core", "ansible-runner"]),
        "machine": machine(),
    }


def aims(managed: Mapping[str, Json], ssh: Json) -> Json:
    """Whether the aims were met; None where nothing was measured."""
    shipped = managed.get("as_shipped")
    return {
        "budgets_kept": None if shipped is None else not set(shipped["beyond_budget"]) - MANAGER,
        "manager_kept": None if shipped is None else not set(shipped["beyond_budget"]) & MANAGER,
        "most_calls": None if shipped is None else shipped["all_calls_per_step"] <= MOST_CALLS,
        "nothing_ran_twice": all(one["ran_twice"] == 0 for one in managed.values()),
        "three_times_ansible": None if ssh.get("ratio") is None else ssh["ratio"] >= 3,
    }


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", nargs="*", default=(), help="these alone: as_shipped unpaced unpaced_one_session ssh")
    parser.add_argument("--machines", type=int, default=0, help="how many simulated machines, if not 200")
    options = parser.parse_args()
    set_up_logs("ERROR", LogFormat.JSON, sys.stderr)
    machines = options.machines or (4 if options.small else 200)
    hosts = 3 if options.small else 40
    finish("runbook", asyncio.run(run(machines, hosts, small=options.small, only=options.only)), options)


if __name__ == "__main__":
    main()
