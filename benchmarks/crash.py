"""What a crash does: for every point at which a process can die with something to lose, how many remote executions one
intent has led to in the end, counted at the simulator. Beside it the same for Airflow's ResumableJobMixin.

A real `afield worker` kills itself with SIGKILL at the point, and another one takes over. For the peer, the process
that runs the operator dies at the same place, and the task is run again, as Airflow's retry does.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from afield.faultpoints import FaultPoint
from afield.kernel import Kernel, Order, open_kernel
from afield.ledger.base import ExecutionFilter
from afield.model.ids import parse_attempt_key
from afield.model.jsontypes import JsonObject
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT
from benchmarks import product
from benchmarks.harness import (
    PEER_PYTHON,
    ROOT,
    Cloud,
    Json,
    Server,
    arguments,
    cloud,
    deliver,
    environment,
    machine,
    migrated,
    peer_versions,
    say,
    server,
    workspace,
)
from benchmarks.work import SQL, Task

EXECUTIONS = 6
SECONDS = 60.0  # that one life may take
LIMITS: JsonObject = {
    "min_interval": 0.1,
    "max_interval": 0.4,
    "visibility_delay": 0.1,
    "max_visibility_delay": 1.0,
    "request_timeout": 2,
    "clock_skew": 5,
}
COUNTS = {FaultPoint.AFTER_SEND: 3, FaultPoint.AFTER_REPLY: 3, FaultPoint.DURING_COLLECT: 2}  # else at the first time
NOT_THE_PEERS = {FaultPoint.DURING_REPAIR}  # it has nothing to repair with


class NotReachedError(Exception):
    """The process did not die where it should have, so nothing is known about that point."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One point's own database and folder, at the common simulator."""

    point: FaultPoint
    sim: Cloud
    task: Task

    @property
    def armed(self) -> str:
        return f"{self.point}:{COUNTS.get(self.point, 1)}"


# --------------------------------------------------------------------------------------- Afield


async def afield(scene: Scene) -> int:
    """The most remote executions an intent has led to."""
    async with open_kernel(product.settings_of(scene.task)) as kernel:
        target = await product.add_target(kernel, scene.task, LIMITS)
        orders = [Order(target=target.name, spec={"sql_query": SQL}) for _ in range(EXECUTIONS)]
        ids = [(await kernel.submit(order)).execution.id for order in orders]
        await _die(scene)
        heir = await _afield(scene, "worker")
        await _until_over(kernel)
        heir.send_signal(signal.SIGTERM)
        await asyncio.wait_for(heir.wait(), 30)
        return _checked(ids, await _by_execution(scene))


async def _die(scene: Scene) -> None:
    if scene.point is not FaultPoint.DURING_REPAIR:
        await _killed(scene, await _afield(scene, "worker", faultpoints=scene.armed))
        return
    # A worker that dies with requests on their way leaves executions in doubt; a repair of these is what dies here.
    await _killed(scene, await _afield(scene, "worker", faultpoints=f"{FaultPoint.AFTER_SEND}:3"))
    repair = ("reconcile", "--target", "benchmark", "--fix", "--json")
    await _killed(scene, await _afield(scene, *repair, faultpoints=scene.armed))


async def _afield(scene: Scene, *words: str, faultpoints: str = "") -> asyncio.subprocess.Process:
    """An `afield` command on the scene's database."""
    mine = environment(
        AFIELD_DATABASE_URL=scene.task.database_url,
        AFIELD_HOME=scene.task.folder,
        AFIELD_SECRET_KEY=product.KEY,
        AFIELD_TAKEOVER_AFTER="3",
        AFIELD_LOG_LEVEL="ERROR",
        AFIELD_FAULTPOINTS=faultpoints,
    )
    quiet = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "afield", *words, cwd=ROOT, env=mine, stdin=quiet, stdout=quiet
    )


async def _killed(scene: Scene, process: asyncio.subprocess.Process) -> None:
    """Wait until it has died. Raises NotReachedError."""
    try:
        code = await asyncio.wait_for(process.wait(), SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NotReachedError(f"{scene.point}: it was not reached") from None
    if code != -signal.SIGKILL:
        raise NotReachedError(f"{scene.point}: the process ended with {code}")


async def _until_over(kernel: Kernel) -> None:
    """Wait until all have succeeded and nothing is left to do."""
    everything = ExecutionFilter(tenant_id=DEFAULT_TENANT)
    async with asyncio.timeout(SECONDS):
        while await kernel.ledger.undriven():  # noqa: ASYNC110 - a process of its own is what is waited for
            await asyncio.sleep(0.05)
    states = await kernel.ledger.count_by_state(everything)
    if states != {ExecutionState.SUCCEEDED: EXECUTIONS}:
        raise RuntimeError(f"not all succeeded: {states}")


async def _by_execution(scene: Scene) -> Mapping[UUID, int]:
    ran = await scene.sim.admin.executions()
    keys = (parse_attempt_key(str(one["workflow_id"])) for one in ran)
    return Counter(key[0] for key in keys if key is not None)


def _checked(ids: Iterable[UUID], counts: Mapping[UUID, int]) -> int:
    """The most of any; an intent that never ran would be as wrong as one that ran twice."""
    each = [counts.get(one, 0) for one in ids]
    if min(each) == 0:
        raise RuntimeError(f"an intent has never run: {each}")
    return max(each)


# --------------------------------------------------------------------------------------- Airflow


async def airflow(scene: Scene) -> int:
    """The most remote executions a task has led to."""
    await _killed(scene, await _operator(scene, scene.armed))
    again = await _operator(scene, "")
    if await asyncio.wait_for(again.wait(), SECONDS) != 0:
        raise RuntimeError(f"{scene.point}: the retry failed")
    counts = Counter(str(one["workflow_id"]) for one in await scene.sim.admin.executions())
    if len(counts) != EXECUTIONS:
        raise RuntimeError(f"{scene.point}: {len(counts)} tasks have run")
    return max(counts.values())


async def _operator(scene: Scene, faultpoints: str) -> asyncio.subprocess.Process:
    mine = environment(AIRFLOW_HOME=scene.task.folder, BENCHMARK_KILL=faultpoints)
    quiet = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        str(PEER_PYTHON), "-m", "benchmarks.peers.airflow_operator", scene.task.to_json(),
        cwd=ROOT, env=mine, stdin=quiet, stdout=quiet,
    )  # fmt: skip


# --------------------------------------------------------------------------------------- both

SETTINGS: Mapping[str, object] = {"pending_seconds": 0.05, "running_seconds": 0.2, "run_sql": False, "concurrency": 100}


@dataclass(frozen=True, slots=True)
class Stage:
    """What all points share."""

    folder: Path
    sim: Cloud
    postgres: Server


class Contestant(Protocol):
    """Brings a scene to its end, over one death; the most remote executions of any intent."""

    __name__: str

    async def __call__(self, scene: Scene) -> int: ...


async def run(points: Iterable[FaultPoint]) -> Json:
    """All points, for both."""
    ours: dict[str, int | None] = {}
    theirs: dict[str, int | None] = {}
    notes: dict[str, str] = {} if PEER_PYTHON.exists() else {"peer": "the peers' virtual environment is not there"}
    with workspace() as folder:
        async with server(folder / "postgres") as postgres, cloud(folder / "sim", **SETTINGS) as sim:
            stage = Stage(folder, sim, postgres)
            for point in points:
                ours[point.value] = await _one(afield, stage, point, notes)
                if point not in NOT_THE_PEERS and PEER_PYTHON.exists():
                    theirs[point.value] = await _one(airflow, stage, point, notes)
    known = [count for count in ours.values() if count is not None]
    return {
        "afield": ours,
        "peer": theirs,
        "peer_name": "Airflow ResumableJobMixin",
        "executions": EXECUTIONS,
        "aim_met": len(known) == len(ours) and set(known) == {1},
        "notes": notes,
        "versions": peer_versions(["apache-airflow", "apache-airflow-task-sdk"]),
        "machine": machine(),
    }


async def _one(who: Contestant, stage: Stage, point: FaultPoint, notes: dict[str, str]) -> int | None:
    """One contestant at one point. A point that was not reached is a gap in the result, with a note."""
    await stage.sim.reset()
    with stage.postgres.database() as url:
        task = Task(
            amc=stage.sim.amc,
            instance=stage.sim.instance,
            n=EXECUTIONS,
            at_once=4,
            live=EXECUTIONS,
            interval=0.1,
            folder=tempfile.mkdtemp(dir=stage.folder),
            database_url=await migrated(url),
        )
        found: int | None = None
        try:
            found = await who(Scene(point, stage.sim, task))
        except (NotReachedError, RuntimeError, TimeoutError) as error:
            notes[f"{who.__name__} {point}"] = str(error) or type(error).__name__
    say(f"{who.__name__} killed at {point}: {found}")
    return found


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    points = [FaultPoint.AFTER_INTENT, FaultPoint.AFTER_SEND] if options.small else list(FaultPoint)
    deliver("crash", asyncio.run(run(points)), options)


if __name__ == "__main__":
    main()
