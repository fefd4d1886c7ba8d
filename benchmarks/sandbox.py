"""What a jail costs: a warm Python run over a bare fork and over a bare cold interpreter, runs a second, memory.

Beside it the jail without namespaces, and other people's jails around a cold interpreter. All in turns, in one run, on
one machine.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil

from afield_sandbox import JailSettings, Level, LocalJail, Submission, Verdict
from benchmarks.harness import Json, arguments, deliver, machine, say
from benchmarks.jailers import CODE, PYTHON, Once, jailers, spawning

HELLO = Submission.of("python", CODE)


@dataclass(frozen=True, slots=True)
class Size:
    """How often each is timed, and how many runs are made for the rate."""

    timed: int = 200
    rate: int = 600
    peer_rate: int = 200
    at_once: int = 8


SMALL = Size(timed=10, rate=40, peer_rate=10)
AIMS = {"over_fork_ms": 3.0, "times_the_best_peer": 3.0}

_FORKS = """
import os, sys
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    print(flush=True)
"""


@asynccontextmanager
async def forking() -> AsyncIterator[Once]:
    """A small warm interpreter that forks a child, which ends at once, whenever it is told to."""
    process = await asyncio.create_subprocess_exec(
        PYTHON, "-I", "-S", "-c", _FORKS, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    tell, told = process.stdin, process.stdout

    async def once() -> None:
        tell.write(b"\n")
        await told.readline()

    try:
        yield once
    finally:
        tell.close()
        await process.wait()


def running(jail: LocalJail) -> Once:
    """One warm run in the jail."""

    async def once() -> None:
        outcome = await jail.run(HELLO)
        if outcome.verdict is not Verdict.OK:
            raise RuntimeError(f"the jail said {outcome}")

    return once


async def timed(contestants: dict[str, Once], count: int, pause: float = 0.01) -> dict[str, list[float]]:
    """Milliseconds of each, taken in turns; a pause in between, so that workers are waiting again."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(count):
        for name, once in contestants.items():
            started = time.perf_counter()
            await once()
            times[name].append(1000 * (time.perf_counter() - started))
            await asyncio.sleep(pause)
    return times


async def rate(once: Once, count: int, at_once: int) -> float:
    """Runs a second, so many at a time."""
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            await once()

    started = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return count / (time.perf_counter() - started)


def worker_bytes(jail: LocalJail) -> int:
    """Memory of one waiting worker and its lane: pages that are shared are split among those who share them."""
    assert jail.pool.nursery_pid is not None
    tree = psutil.Process(jail.pool.nursery_pid).children(recursive=True)
    workers = [process for process in tree if not process.children()]
    lanes = [parent for process in workers if (parent := process.parent()) is not None]
    return sum(process.memory_full_info().pss for process in (*workers, *lanes)) // max(1, len(workers))


def summary(values: Sequence[float]) -> Json:
    """Median and 95th percentile."""
    ordered = sorted(values)
    return {"p50_ms": round(statistics.median(ordered), 3), "p95_ms": round(ordered[int(0.95 * (len(ordered) - 1))], 3)}


def jails() -> tuple[LocalJail, LocalJail]:
    """The strongest jail that can be had here, and the one without namespaces."""
    fence = JailSettings(languages=("python",), level=Level.LANDLOCK, minimum=Level.LANDLOCK)
    return LocalJail(JailSettings(languages=("python",), minimum=Level.LANDLOCK)), LocalJail(fence)


async def measure(size: Size) -> Json:
    """Time everybody in turns, then each one's rate; the result."""
    strongest, fence = jails()
    with jailers(size.at_once) as (peers, missing):
        async with strongest, fence, forking() as fork_once:
            ours = {"jail": running(strongest), "jail_landlock": running(fence)}
            contestants = ours | {"cold_python": spawning(PYTHON, "-c", "pass")} | peers
            everybody = {"fork": fork_once} | contestants
            await timed(everybody, 3)
            say("timing, in turns")
            times = {name: summary(values) for name, values in (await timed(everybody, size.timed)).items()}
            memory = worker_bytes(strongest)
            say("rates")
            rates = {
                name: await rate(once, size.rate if name in ours else size.peer_rate, size.at_once)
                for name, once in contestants.items()
            }
            best = max(peers, key=lambda name: rates[name], default=None)
            told = {"level": strongest.probe().level.name.lower(), "best_peer": best, "skipped": missing}
            return result(times, rates, memory) | told | beside(rates, best)


def result(times: dict[str, Json], rates: dict[str, float], memory: int) -> Json:
    """The figures and what they are to each other."""
    jail, fork, cold = times["jail"], times["fork"], times["cold_python"]
    return {
        "benchmark": "sandbox",
        "machine": machine(),
        "times": times,
        "per_s": {name: round(value, 1) for name, value in rates.items()},
        "p50_over_fork_ms": round(jail["p50_ms"] - fork["p50_ms"], 3),
        "p95_over_fork_ms": round(jail["p95_ms"] - fork["p95_ms"], 3),
        "p50_ratio_to_fork": round(jail["p50_ms"] / fork["p50_ms"], 2),
        "p50_ratio_to_cold_python": round(jail["p50_ms"] / cold["p50_ms"], 3),
        "memory_per_waiting_worker_mib": round(memory / 2**20, 2),
        "aims": {"over_fork": jail["p50_ms"] - fork["p50_ms"] <= AIMS["over_fork_ms"]},
    }


def beside(rates: dict[str, float], best: str | None) -> Json:
    """How many times the rate of the best other jail; nothing is claimed when there is none."""
    if best is None:
        return {"rate_ratio_to_best_peer": None}
    return {"rate_ratio_to_best_peer": round(rates["jail"] / rates[best], 2)}


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    deliver("sandbox", asyncio.run(measure(SMALL if options.small else Size())), options)


if __name__ == "__main__":
    main()
