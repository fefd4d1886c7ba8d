"""What running code through Afield adds: `POST /api/v2/execute` of a real web process, every run written down twice,
beside the same submission given to the same adapter directly. In turns, in one run, on one machine.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import orjson
import psutil

from afield.connectors.adapter.wire import run_body
from afield.connectors.coding import CodeSpec
from afield.connectors.local_pool.home import PoolHome, Running
from afield.ledger import embedded
from benchmarks.harness import Json, Server, arguments, machine, say, server, tree_cpu, workspace
from benchmarks.report import finish
from benchmarks.web import Load, Once, Web, calling, load, own_cpu, timed, together, web_process

MOST_ADDED_MS, LEAST_SHARE = 5.0, 0.7
SUBMISSION = {"language": "python", "version": "*", "files": [{"content": "print(6 * 7)"}]}
NAMES = ("direct", "afield")


@dataclass(frozen=True, slots=True)
class Size:
    """Single calls of each in turns; then calls of each in a round, with so many at once."""

    alone: int = 400
    count: int = 600
    rounds: int = 3
    at_once: tuple[int, ...] = (2, 4, 8, 16)


SMALL = Size(alone=10, count=20, rounds=1, at_once=(4,))


@dataclass(frozen=True, slots=True)
class Sides:
    """The web process, and the adapter that it has started."""

    web: Web
    adapter: Running
    body: Json  # of a run, as the connector sends it
    session: aiohttp.ClientSession
    store: int

    async def afield(self) -> None:
        """One run through Piston's API."""
        told = await _post(self.session, f"{self.web.url}/api/v2/execute", SUBMISSION)
        _check(told["run"]["stdout"], told)

    async def direct(self) -> None:
        """The same at the adapter."""
        body = self.body | {"run_id": uuid4().hex}
        headers = {"Authorization": f"Bearer {self.adapter.token}"}
        told = await _post(self.session, f"{self.adapter.url}/runs?identifier=benchmark&wait=60", body, headers)
        _check(told["result"]["stdout"], told)

    @property
    def contestants(self) -> Mapping[str, Once]:
        return {"direct": self.direct, "afield": self.afield}

    def cpu(self) -> Counter[str]:
        """CPU seconds so far, by process."""
        used = {"web": own_cpu(self.web.pid), "store": tree_cpu(self.store), "adapter": tree_cpu(self.adapter.pid)}
        return Counter({name: round(1e6 * seconds) for name, seconds in used.items()})


async def _post(
    session: aiohttp.ClientSession, url: str, body: Json, headers: Mapping[str, str] | None = None
) -> Json:  # fmt: skip
    sent = {"Content-Type": "application/json", **(headers or {})}
    async with session.post(url, data=orjson.dumps(body), headers=sent) as answer:
        told: Json = orjson.loads(await answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{url} answered {answer.status}: {told}")
        return told


def _check(stdout: str, told: Json) -> None:
    if stdout != "42\n":
        raise RuntimeError(f"it did not run: {told}")


async def find_sides(web: Web, postgres: Server, session: aiohttp.ClientSession) -> Sides:
    """After a first run, which starts the local pool and tells what a run looks like on its way there."""
    async with session.post(f"{web.url}/api/v2/execute", json=SUBMISSION) as answer:
        execution_id = answer.headers["x-afield-execution"]
    async with session.get(f"{web.url}/api/v1/executions/{execution_id}") as answer:
        spec = CodeSpec.model_validate((await answer.json())["spec"])
    adapter = await asyncio.to_thread(PoolHome(web.home).running)
    store = embedded.postmaster_pid(postgres.home)
    if adapter is None or store is None:
        raise RuntimeError("the local pool or the database does not run")
    return Sides(web, adapter, run_body(spec, "replaced"), session, store)


async def measure(size: Size) -> Json:
    """Single calls in turns, then each concurrency in alternating rounds."""
    with workspace() as folder:
        folder.chmod(0o755)
        async with (
            server(folder / "postgres") as postgres,
            web_process(postgres, folder / "home") as web,
            calling() as session,
        ):
            sides = await find_sides(web, postgres, session)
            for once in sides.contestants.values():
                await load(once, 4 * max(size.at_once), max(size.at_once))
            alone, cpu = await in_turns(sides, size.alone)
            say(f"alone: {alone}")
            levels = [await level(sides, size, at_once) for at_once in size.at_once]
            await _stopped(sides.adapter)
    return result(alone, cpu, levels)


async def in_turns(sides: Sides, count: int) -> tuple[dict[str, Json], dict[str, Json]]:
    """One call at a time, of each side in turn; and what each costs."""
    times: dict[str, list[float]] = {name: [] for name in NAMES}
    used: dict[str, Counter[str]] = {name: Counter() for name in NAMES}
    for _ in range(count):
        for name, once in sides.contestants.items():
            before = sides.cpu()
            times[name].append(await timed(once))
            used[name].update(sides.cpu() - before)
    spent = {
        name: {part: round(micros / 1000 / count, 2) for part, micros in sorted(parts.items())}
        for name, parts in used.items()
    }
    return {name: Load(some, sum(some) / 1000).summary() for name, some in times.items()}, spent


async def level(sides: Sides, size: Size, at_once: int) -> Json:
    """So many calls at once, of each side in alternating rounds."""
    loads: dict[str, list[Load]] = {name: [] for name in NAMES}
    for _ in range(size.rounds):
        for name, once in sides.contestants.items():
            loads[name].append(await load(once, size.count, at_once))
    told: Json = {"at_once": at_once} | {name: together(some).summary() for name, some in loads.items()}
    told["share"] = round(told["afield"]["per_s"] / told["direct"]["per_s"], 3)
    say(str(told))
    return told


async def _stopped(adapter: Running) -> None:
    """The adapter outlives the web process; its folder does not outlive this run."""
    process = psutil.Process(adapter.pid)
    process.terminate()
    await asyncio.to_thread(psutil.wait_procs, [process], 10)


def result(alone: Mapping[str, Json], cpu: Mapping[str, Json], levels: Sequence[Json]) -> Json:
    """The figures, and what they are to each other."""
    added = round(alone["afield"]["p50_ms"] - alone["direct"]["p50_ms"], 2)
    best = {name: max(one[name]["per_s"] for one in levels) for name in NAMES}
    share = round(best["afield"] / best["direct"], 3)
    return {
        "benchmark": "execute",
        "alone": dict(alone),
        "cpu_ms_each": dict(cpu),
        "levels": list(levels),
        "p50_added_ms": added,
        "p95_added_ms": round(alone["afield"]["p95_ms"] - alone["direct"]["p95_ms"], 2),
        "p50_ratio": round(alone["afield"]["p50_ms"] / alone["direct"]["p50_ms"], 2),
        "best_per_s": best,
        "share_of_throughput": share,
        "median_share": round(statistics.median(one["share"] for one in levels), 3),
        "aims": {"added": added <= MOST_ADDED_MS, "share": share >= LEAST_SHARE},
        "machine": machine(),
    }


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    finish("execute", asyncio.run(measure(SMALL if options.small else Size())), options)


if __name__ == "__main__":
    main()
