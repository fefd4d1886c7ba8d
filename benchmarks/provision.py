"""How long a demo takes from a website to its validation, offline, stage by stage; how quickly its data is made, beside
Faker, a row at a time; and how much memory the agents use. Jobs run one at a time, by a real worker.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from afield.api.vitals import vitals
from afield.config import LogFormat, Settings
from afield.kernel import Kernel, open_kernel
from afield.model.target import DEFAULT_TENANT
from afield.provisioning.agents.names import AgentName
from afield.provisioning.brief import Brief
from afield.provisioning.datamodel import DataModel, Table, TableKind
from afield.provisioning.job_status import JobView
from afield.provisioning.jobs import Jobs, NewOrder
from afield.provisioning.making import make
from afield.provisioning.settings import ProvisionSettings
from afield.provisioning.store import JobStatus
from afield.security.people import Principal, Role
from afield.telemetry.logs import set_up_logs
from benchmarks.chat_questions import model_of
from benchmarks.demos import KEY, Accounts, afield, settings_of, sites_of, websites
from benchmarks.harness import (
    PEER_PYTHON,
    ROOT,
    Json,
    arguments,
    deliver,
    environment,
    machine,
    migrated,
    peer_versions,
    say,
    server,
    workspace,
)

MOST_SECONDS = {100_000: 30.0, 1_000_000: 60.0}
"""The aims: of the median with a hundred thousand rows, of every job with a million."""

LEAST_TIMES_FAKER = 25.0
_PATIENCE_S = 300.0
_WHO = Principal("benchmark", Role.ADMIN)
_SEED = 7


@dataclass(frozen=True, slots=True)
class Size:
    """Jobs by rows; rows made without a job; rows of Faker's; rounds of the two in turns."""

    jobs: Mapping[int, int]
    made: int = 1_000_000
    faked: int = 20_000
    rounds: int = 3


FULL = Size({100_000: 7, 1_000_000: 3})
SMALL = Size({5_000: 1}, made=20_000, faked=200, rounds=1)


# --------------------------------------------------------------------------------------- whole jobs


@dataclass(frozen=True, slots=True)
class Ended:
    """One job, and how long it took from its order to its end."""

    rows: int
    seconds: float
    stages: Mapping[AgentName, float]
    golden: tuple[int, int]  # passed, of


async def whole_jobs(size: Size, folder: Path) -> tuple[list[Ended], Accounts]:
    """All of them, one after the other, each of another company. Raises RuntimeError when one does not complete."""
    home = folder / "home"
    async with server(folder / "postgres") as postgres, websites(folder / "websites") as access:
        with postgres.database() as url:
            mine = settings_of(home, await migrated(url), access)
            settings = Settings(database_url=SecretStr(url), home=home, secret_key=SecretStr(KEY))
            await asyncio.to_thread(home.mkdir)
            async with (
                open_kernel(settings) as kernel,
                afield("worker", mine, folder / "worker.log"),
                Accounts(home) as accounts,
            ):
                await until_a_worker_lives(kernel)
                jobs = Jobs(kernel, DEFAULT_TENANT, ProvisionSettings())
                try:
                    rows = [rows for rows, count in size.jobs.items() for _ in range(count)]
                    pairs = zip(rows, sites_of(access, len(rows)), strict=True)
                    return [await whole_job(jobs, site, rows) for rows, site in pairs], accounts
                finally:
                    await jobs.close()


async def until_a_worker_lives(kernel: Kernel) -> None:
    """Its start is no part of a job."""
    async with asyncio.timeout(_PATIENCE_S):
        while (await vitals(kernel.ledger.database)).newest_beat is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


async def whole_job(jobs: Jobs, site: str, rows: int) -> Ended:
    """One job, from its order to its end."""
    began = time.perf_counter()
    job = await jobs.start(NewOrder(brief=Brief(customer_url=site), rows=rows), _WHO)
    golden = (0, 0)
    async with asyncio.timeout(_PATIENCE_S), aclosing(await jobs.follow(job.id, _WHO, 0)) as entries:
        async for entry in entries:
            if "golden_passed" in entry.data:
                golden = int(str(entry.data["golden_passed"])), int(str(entry.data["golden"]))
    seconds = time.perf_counter() - began
    view, _ = await jobs.status(job.id, _WHO)
    if view.job.status is not JobStatus.COMPLETED:
        raise RuntimeError(f"{site} is {view.job.status}: {' '.join(view.errors)}")
    say(f"{view.job.company_name}, {rows:,} rows: {seconds:.1f} s")
    return Ended(rows, seconds, stages_of(view), golden)


def stages_of(view: JobView) -> dict[AgentName, float]:
    """Seconds of each agent, from its first word to its recorded end."""
    return {agent.name: agent.elapsed_s or 0.0 for agent in view.agents}


# --------------------------------------------------------------------------------------- data alone


def made_per_s(model: DataModel, rows: int, folder: Path) -> float:
    """Rows of facts a second, dimensions and files included."""
    began = time.perf_counter()
    brief = Brief(customer_url="https://shop.example")
    make(model, brief, _SEED, datetime.now(UTC).date(), rows, folder, lambda _share, _what: None)
    return rows / (time.perf_counter() - began)


def faked_per_s(model: DataModel, rows: int) -> float:
    """The same columns, made one row at a time in the peers' environment."""
    facts = facts_of(model)
    weights = sum(table.weight for table in facts)
    task: Json = {
        "tables": [
            [{"name": one.name, "type": one.type.value, "values": list(one.values)} for one in table.columns]
            for table in facts
        ],
        "rows": [max(1, round(rows * table.weight / weights)) for table in facts],
    }
    command = [str(PEER_PYTHON), "-m", "benchmarks.peers.faker_rows", json.dumps(task)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    return float(told["rows"] / told["seconds"])


def facts_of(model: DataModel) -> list[Table]:
    """The tables that rows are counted of."""
    return [table for table in model.tables if table.kind is TableKind.FACT]


def data_alone(size: Size, folder: Path) -> Json:
    """Both ways in turns; medians. Without Faker where it is not installed."""
    model, versions = model_of("retail"), peer_versions(["faker"])
    made, faked = [], []
    for number in range(size.rounds):
        made.append(made_per_s(model, size.made, folder / f"made-{number}"))
        if versions:
            faked.append(faked_per_s(model, size.faked))
        say(f"data alone: {made[-1]:,.0f} rows/s, Faker {faked[-1] if faked else 0:,.0f}")
    ours, peer = statistics.median(made), statistics.median(faked) if faked else None
    return {
        "rows": size.made,
        "rows_per_s": round(ours),
        "faker_rows": size.faked,
        "faker_rows_per_s": None if peer is None else round(peer),
        "times_faker": None if peer is None else round(ours / peer, 1),
        "versions": versions,
        "rounds": size.rounds,
    }


# --------------------------------------------------------------------------------------- the result


def measure(size: Size) -> Json:
    """Whole jobs first, then data alone."""
    with workspace() as folder:
        folder.chmod(0o755)
        ended, accounts = asyncio.run(whole_jobs(size, folder))
        data = data_alone(size, folder)
    levels = [level([one for one in ended if one.rows == rows], rows) for rows in size.jobs]
    times = data["times_faker"]
    aims: Json = {str(one["rows"]): one["seconds"] <= one["aim"] for one in levels if one["aim"]}
    return {
        "benchmark": "provision",
        "levels": levels,
        "agents": {agent.value: of_agent(accounts, agent) for agent in AgentName},
        "data": data,
        "aims": aims | {"times_faker": None if times is None else times >= LEAST_TIMES_FAKER},
        "machine": machine(),
    }


def level(ended: Sequence[Ended], rows: int) -> Json:
    """The jobs of one size. `seconds` is what the aim is about: the longest of the largest, else the median."""
    taken = [one.seconds for one in ended]
    aim = MOST_SECONDS.get(rows)
    return {
        "rows": rows,
        "jobs": len(ended),
        "p50_s": round(statistics.median(taken), 2),
        "longest_s": round(max(taken), 2),
        "seconds": round(max(taken) if rows == max(MOST_SECONDS) else statistics.median(taken), 2),
        "aim": aim,
        "stages_p50_s": {
            agent.value: round(statistics.median(one.stages[agent] for one in ended), 2) for agent in AgentName
        },
        "golden_passed": sum(one.golden[0] for one in ended),
        "golden": sum(one.golden[1] for one in ended),
    }


def of_agent(accounts: Accounts, agent: AgentName) -> Json:
    """What one agent's processes used, over jobs of all sizes."""
    costs = accounts.of(agent.slug)
    return {
        "peak_mib": round(_most(cost.peak_mib for cost in costs)),
        "cpu_p50_s": round(statistics.median([cost.cpu_seconds for cost in costs] or [0.0]), 2),
        "processes": len(costs),
    }


def _most(values: Iterable[float]) -> float:
    return max(values, default=0.0)


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    set_up_logs("ERROR", LogFormat.JSON, sys.stderr)
    deliver("provision", measure(SMALL if options.small else FULL), options)


if __name__ == "__main__":
    main()
