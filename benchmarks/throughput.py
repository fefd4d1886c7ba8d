"""How many executions a second, and what each costs: Afield, a bare loop that records nothing, and durable peers.

All do the same work at the same simulator, in turns, several times over; the medians count.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from afield.ledger import embedded
from benchmarks.harness import (
    PEER_PYTHON,
    Cloud,
    Contestant,
    Json,
    Run,
    Server,
    arguments,
    cloud,
    deliver,
    machine,
    migrated,
    peer_versions,
    redis_server,
    run_contestant,
    say,
    server,
    workspace,
)
from benchmarks.work import Task

BARE = Contestant("bare", "benchmarks.bare")
AFIELD = Contestant("afield", "benchmarks.product", store="afield")
PEERS = (
    Contestant("dbos", "benchmarks.peers.dbos_steps", PEER_PYTHON, "postgres"),
    Contestant(
        "procrastinate", "benchmarks.peers.procrastinate_jobs", PEER_PYTHON, "postgres", "one_job", keeps_handle=False
    ),
    Contestant("procrastinate_two_jobs", "benchmarks.peers.procrastinate_jobs", PEER_PYTHON, "postgres", "two_jobs"),
    Contestant("celery", "benchmarks.peers.celery_tasks", PEER_PYTHON, "redis"),
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done: executions of Afield and the bare loop, of each peer, and how often."""

    n: int = 5000
    peer_n: int = 2000
    rounds: int = 3
    at_once: int = 50
    live: int = 2000
    interval: float = 1.0


SMALL = Size(n=200, peer_n=60, rounds=1, interval=0.2)


@dataclass(frozen=True, slots=True)
class Arena:
    """Where the contestants meet."""

    folder: Path
    sim: Cloud
    postgres: Server
    redis: tuple[str, int] | None

    async def run(self, contestant: Contestant, size: Size) -> Run:
        with self._store(contestant) as (url, pid):
            if contestant.store == "afield":
                await migrated(url)
            task = Task(
                amc=self.sim.amc,
                instance=self.sim.instance,
                n=size.peer_n if contestant in PEERS else size.n,
                at_once=size.at_once,
                live=size.live,
                interval=size.interval,
                folder=str(self.folder / f"{contestant.name}-{time.monotonic_ns()}"),
                database_url=url,
                redis_url=self.redis[0] if self.redis else "",
                variant=contestant.variant,
            )
            return await run_contestant(contestant, task, self.sim, pid)

    @contextmanager
    def _store(self, contestant: Contestant) -> Iterator[tuple[str, int | None]]:
        """A fresh store: its URL if it is a database, and the process that keeps it."""
        if contestant.store in {"afield", "postgres"}:
            with self.postgres.database() as url:
                yield url, embedded.postmaster_pid(self.postgres.home)
        else:
            yield "", self.redis[1] if contestant.store == "redis" and self.redis else None

    def skips(self, contestant: Contestant) -> str | None:
        """Why it cannot take part; None when it can."""
        if not contestant.python.exists():
            return "the peers' virtual environment is not there: make bench makes it"
        if contestant.store == "redis" and self.redis is None:
            return "redis-server is not installed"
        return None


async def measure(size: Size, only: frozenset[str] = frozenset()) -> Json:
    """Run everybody, in turns; the result."""
    runs: dict[str, list[Run]] = {}
    skipped: dict[str, str] = {}
    with workspace() as folder, redis_server(folder / "redis") as redis:
        async with server(folder / "postgres") as postgres, cloud(folder / "sim", instant=True) as sim:
            arena = Arena(folder, sim, postgres, redis)
            for number in range(size.rounds):
                for contestant in (BARE, AFIELD, *PEERS):
                    if only and contestant.name not in only:
                        continue
                    if (why := arena.skips(contestant)) is not None:
                        skipped[contestant.name] = why
                        continue
                    run = await arena.run(contestant, size)
                    runs.setdefault(contestant.name, []).append(run)
                    say(f"round {number + 1}: {contestant.name}: {run.per_s:.0f}/s {run.summary()}")
    return result(runs, skipped, size)


def result(runs: Mapping[str, list[Run]], skipped: Mapping[str, str], size: Size) -> Json:
    """The keys the issue asks for, and what is behind them."""
    rates = {name: statistics.median(run.per_s for run in some) for name, some in runs.items()}
    peers = {peer.name: round(rates[peer.name], 1) for peer in PEERS if peer.name in rates}
    safe = [peers[peer.name] for peer in PEERS if peer.name in peers and peer.keeps_handle]
    afield, bare = rates.get("afield"), rates.get("bare")
    return {
        "afield_per_s": round(afield, 1) if afield else None,
        "bare_per_s": round(bare, 1) if bare else None,
        "ratio_to_bare": round(afield / bare, 3) if afield and bare else None,
        "peers": peers,
        "ratio_to_best_peer": round(afield / max(peers.values()), 2) if afield and peers else None,
        "ratio_to_best_safe_peer": round(afield / max(safe), 2) if afield and safe else None,
        "n": size.n,
        "peer_n": size.peer_n,
        "rounds": size.rounds,
        "settings": {"at_once": size.at_once, "live": size.live, "interval_s": size.interval},
        "detail": {name: median_run(some).summary() for name, some in runs.items()},
        "spread": {name: [round(run.per_s, 1) for run in some] for name, some in runs.items()},
        "skipped": dict(skipped),
        "versions": peer_versions(["dbos", "procrastinate", "celery", "redis"]),
        "machine": machine(),
    }


def median_run(runs: list[Run]) -> Run:
    """The run whose rate is the median (the lower of the two middle ones)."""
    return sorted(runs, key=lambda run: run.per_s)[(len(runs) - 1) // 2]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=0, help="how often, if not three times")
    parser.add_argument("--only", nargs="*", default=(), help="these contestants alone: bare afield dbos ...")
    options = parser.parse_args()
    size = SMALL if options.small else Size()
    size = replace(size, rounds=options.rounds or size.rounds)
    deliver("throughput", asyncio.run(measure(size, frozenset(options.only))), options)


if __name__ == "__main__":
    main()
