"""Does a diagnosis name the true cause, and does it leave the machine alone? Every fault of the simulated Azure is
brought about, in 20 different ways; a step of a session meets it, and the session or its target is diagnosed as
`afield diagnose` does. Scripts run and calls that change something are counted at the simulator.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from afield import diagnoses
from afield.config import LogFormat
from afield.connectors.base import CheckVerdict
from afield.diagnose.diagnosis import Diagnosis
from afield.diagnose.session import SessionFacts
from afield.engine.worker import WorkerSettings
from afield.kernel import Kernel, open_worker
from afield.model.session import STEP_SETTLED, NewSession
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT, Target
from afield.sessions import SessionDesk
from afield.telemetry.logs import set_up_logs
from afield_sim.testing import VmAccess
from benchmarks.faults import CASES, Case, Until, named
from benchmarks.fleet import MUTATING, Fleet, fleet, installation
from benchmarks.harness import Json, arguments, machine, say, server, workspace
from benchmarks.report import finish
from benchmarks.stepping import steps_on

SECONDS = 180.0  # until a fault shows
TOKEN_SECONDS = 5  # a slow token; ten times what a call may take there
FAST = {"min_interval": 0.2, "max_interval": 2, "visibility_delay": 0.2, "request_timeout": 5}


@dataclass(slots=True)
class Situation:
    """One case with one seed: a machine of its own, a target, and the session whose step meets the fault."""

    case: Case
    seed: int
    vm: VmAccess
    target: Target
    session_id: int | None

    @property
    def diagnoses_target(self) -> bool:
        return self.session_id is None or (self.case.at_target and self.seed % 2 == 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one diagnosis."""

    situation: Situation
    diagnosis: Diagnosis

    @property
    def right(self) -> bool:
        cause, said = self.situation.case.cause, named(self.diagnosis.sentence)
        well = self.diagnosis.verdict is CheckVerdict.OK
        return (not said and well) if cause is None else (said == {cause} and not well)

    def to_json(self) -> Json:
        case = self.situation.case
        return {
            "fault": case.name,
            "seed": self.situation.seed,
            "connector": self.situation.target.connector,
            "diagnosed": "target" if self.situation.diagnoses_target else "session",
            "true_cause": case.cause,
            "named": sorted(named(self.diagnosis.sentence)),
            "verdict": self.diagnosis.verdict,
            "sentence": self.diagnosis.sentence,
        }


@dataclass(frozen=True, slots=True)
class Doctor:
    """The installation, the simulated cloud, and what is done with them."""

    kernel: Kernel
    fleet: Fleet

    async def prepare(self, case: Case, seed: int, number: int) -> Situation:
        """A machine with a past, a target there; the fault comes before the step."""
        chance = Random(f"{case.name} {seed}")
        vm = await self.fleet.admin.add_vm(f"case-{seed:02}-{number:02}", resource_group="rg-shop")
        if case.name != "limit_25" and (count := chance.randint(0, 5)):
            await self.fleet.admin.plant(vm.name, "somebody", state="Succeeded", age_seconds=9000, count=count)
        connector = case.by[seed % len(case.by)] if case.by else "azure_vm"
        credential = f"{case.name} {seed}"
        await self.kernel.credentials.add(DEFAULT_TENANT, credential, "azure", self.fleet.secret)
        target = await self.kernel.add_target(
            connector=connector, name=vm.name, address=self.fleet.address(vm),
            settings={**FAST, **(case.settings or {})}, credential=credential,
        )  # fmt: skip
        await self.fleet.admin.put_faults({vm.name: dict(case.faults(chance))})
        return Situation(case, seed, vm, target, await self._start(target) if case.by else None)

    async def _start(self, target: Target) -> int:
        steps = tuple(steps_on(target, scripts=["echo out; echo err >&2"]))
        new = NewSession(tenant_id=DEFAULT_TENANT, kind="benchmark", title="t", started_by="benchmark", steps=steps)
        session, _ = await SessionDesk(self.kernel, DEFAULT_TENANT).create(new)
        return session.id

    async def until_shown(self, situation: Situation) -> None:
        """Wait until the step has met the fault. One that does not show is diagnosed all the same."""
        if situation.session_id is None:
            return
        try:
            async with asyncio.timeout(SECONDS):
                while not _shown(await self._facts(situation.session_id), situation.case.until):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except TimeoutError:
            say(f"{situation.case.name}, seed {situation.seed}: it never showed")

    async def _facts(self, session_id: int) -> SessionFacts:
        return await diagnoses.session_facts(self.kernel, session_id, DEFAULT_TENANT)

    async def diagnose(self, situation: Situation) -> Verdict:
        if situation.session_id is None or situation.diagnoses_target:
            target = await self.kernel.find_target(str(situation.target.id))
            return Verdict(situation, await diagnoses.of_target(self.kernel, target))
        if situation.case.passing:
            await self.fleet.admin.clear_faults(situation.vm.name)
        return Verdict(situation, await diagnoses.of_session(self.kernel, situation.session_id, DEFAULT_TENANT))

    async def disturbances(self) -> tuple[int, int]:
        """Scripts that ran at all machines so far, and calls that change something."""
        calls = await self.fleet.calls()
        return len(await self.fleet.admin.journal()), sum(count for kind, count in calls.items() if kind in MUTATING)


def _shown(facts: SessionFacts, until: Until) -> bool:
    step = facts.steps[0]
    execution = facts.execution(step)
    if step.state in STEP_SETTLED:
        return True
    if execution is None:
        return False
    return execution.state is ExecutionState.RUNNING if until is Until.RUNNING else execution.reason is not None


@dataclass(slots=True)
class Tally:
    """What has been found so far."""

    verdicts: list[Verdict]
    scripts: int = 0
    changes: int = 0
    reads: int = 0
    seconds: float = 0.0


async def examine(doctor: Doctor, cases: Sequence[Case], seed: int, tally: Tally) -> None:
    """Bring all these faults about together. Once each has shown, the worker is stopped: only diagnoses call then."""
    async with _working(doctor.kernel):
        numbered = enumerate(cases, 1 + len(tally.verdicts))
        situations = await asyncio.gather(*(doctor.prepare(case, seed, number) for number, case in numbered))
        await asyncio.gather(*(doctor.until_shown(one) for one in situations))
    scripts, changes = await doctor.disturbances()
    calls, began = sum((await doctor.fleet.calls()).values()), time.perf_counter()
    tally.verdicts += [await doctor.diagnose(one) for one in situations]
    tally.seconds += time.perf_counter() - began
    after = await doctor.disturbances()
    tally.scripts += after[0] - scripts
    tally.changes += after[1] - changes
    tally.reads += sum((await doctor.fleet.calls()).values()) - calls - (after[1] - changes)


@asynccontextmanager
async def _working(kernel: Kernel) -> AsyncIterator[None]:
    async with open_worker(kernel, WorkerSettings(name="benchmark")) as worker:
        task = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await task


async def run(seeds: int, only: Sequence[str] = ()) -> Json:
    cases = [case for case in CASES if not only or case.name in only]
    quick, slow = [c for c in cases if not c.slow_token], [c for c in cases if c.slow_token]
    tally = Tally([])
    with workspace() as folder:
        async with (
            server(folder / "postgres") as postgres,
            fleet(folder / "sim", 1, enforce_limits=False) as some,
            installation(postgres, folder / "home") as kernel,
        ):
            doctor = Doctor(kernel, some)
            for seed in range(seeds):
                await some.entra_faults({})
                await examine(doctor, quick, seed, tally)
                if slow:
                    await some.entra_faults({"slow": {"seconds": TOKEN_SECONDS}})
                    await examine(doctor, slow, seed, tally)
                wrong = sum(not one.right for one in tally.verdicts)
                say(f"seed {seed}: {len(tally.verdicts)} diagnoses so far, {wrong} wrong")
    return result(tally, seeds)


def result(tally: Tally, seeds: int) -> Json:
    found = tally.verdicts
    faulty = [one for one in found if one.situation.case.cause is not None]
    healthy = [one for one in found if one.situation.case.cause is None]
    return {
        "share_right": round(sum(one.right for one in faulty) / len(faulty), 4) if faulty else None,
        "false_alarms": sum(not one.right for one in healthy),
        "scripts_run_by_diagnosing": tally.scripts,
        "changes_made_by_diagnosing": tally.changes,
        "diagnoses": len(found),
        "seeds": seeds,
        "reads_per_diagnosis": round(tally.reads / len(found), 2),
        "seconds_per_diagnosis": round(tally.seconds / len(found), 3),
        "by_fault": _by_fault(found),
        "wrong": [one.to_json() for one in found if not one.right],
        "machine": machine(),
    }


def _by_fault(found: Sequence[Verdict]) -> dict[str, Json]:
    told: dict[str, Json] = {}
    for one in found:
        case = one.situation.case
        entry = told.setdefault(case.name, {"cause": case.cause, "right": 0, "of": 0, "example": ""})
        entry["of"] += 1
        entry["right"] += one.right
        entry["example"] = entry["example"] or one.diagnosis.sentence
    return told


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", nargs="*", default=(), help="these faults alone")
    options = parser.parse_args()
    set_up_logs("ERROR", LogFormat.JSON, sys.stderr)
    finish("detect", asyncio.run(run(1 if options.small else 20, options.only)), options)


if __name__ == "__main__":
    main()
