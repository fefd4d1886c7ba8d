"""Testing the way from a step to its Azure VM, in four steps; the first one that fails ends it."""

from __future__ import annotations

from dataclasses import dataclass

from afield.connectors.base import CheckVerdict
from afield.diagnose.diagnosis import Diagnosis, Rung
from afield.errors import AfieldError
from afield.kernel import Kernel
from afield.model.session import Step
from afield.model.target import Target
from afield.runbooks.azure_debug import AZURE, ECHO, Connection, connection_of, vm_diagnosis

_OK, _FAIL = CheckVerdict.OK, CheckVerdict.FAIL
_NAMES = ("first_step", "connection_config", "connector", "reach")


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the test, and what it showed."""

    step: int
    verdict: CheckVerdict
    answer: str
    next_step: str = ""

    @property
    def name(self) -> str:
        return _NAMES[self.step - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTest:
    """How far it went."""

    steps: tuple[Stage, ...]
    asked_to_run: bool
    connection: Connection | None = None
    diagnosis: Diagnosis | None = None

    @property
    def _echo(self) -> Rung | None:
        rungs = self.diagnosis.rungs if self.diagnosis else ()
        return next((rung for rung in rungs if rung.name == ECHO), None)

    @property
    def executed(self) -> bool:
        """Whether the test command was sent."""
        return self._echo is not None and self._echo.verdict is not CheckVerdict.SKIPPED

    @property
    def refused(self) -> str | None:
        """Why the test command was not run although it was asked for."""
        if not self.asked_to_run or self.executed:
            return None
        return self._echo.result.answered if self._echo else self.steps[-1].answer

    @property
    def success(self) -> bool:
        """Whether all that was asked for worked."""
        reached = len(self.steps) == len(_NAMES) and self.steps[-1].verdict in {_OK, CheckVerdict.WARN}
        return reached and self.refused is None

    @property
    def sentence(self) -> str:
        """What the test comes to."""
        if self.refused is not None and self.diagnosis is not None and self.diagnosis.verdict is _OK:
            return self.refused
        return self.diagnosis.sentence if self.diagnosis else self.steps[-1].answer


async def check_connection(
    kernel: Kernel, step: Step | None, target: Target | None, *, execute: bool
) -> ConnectionTest:
    """Test the way to the target of a step. Only reads, but for the test command that `execute` asks for."""
    first = found_step(step, target)
    if target is None or first.verdict is _FAIL:
        return ConnectionTest(steps=(first,), asked_to_run=execute)
    connection = connection_of(target)
    second = configured(connection)
    if second.verdict is _FAIL:
        return ConnectionTest(steps=(first, second), asked_to_run=execute, connection=connection)
    try:
        diagnosis = await vm_diagnosis(kernel, target, execute=execute)
    except AfieldError as error:  # it cannot be opened
        third = Stage(3, _FAIL, error.message, error.hint)
        return ConnectionTest(steps=(first, second, third), asked_to_run=execute, connection=connection)
    third = Stage(3, _OK, f"The connector {target.connector} holds the target {target.name}.")
    fourth = Stage(4, diagnosis.verdict, diagnosis.sentence)
    return ConnectionTest(
        steps=(first, second, third, fourth), asked_to_run=execute, connection=connection, diagnosis=diagnosis
    )


def found_step(step: Step | None, target: Target | None) -> Stage:
    """Step 1: is there a step that runs somewhere?"""
    if step is None:
        return Stage(1, _FAIL, "No step of the session runs on a target.", "Start a runbook that does.")
    if target is None:
        return Stage(1, _FAIL, f"Step {step.number} ({step.name}) has no target.", "Edit the step's target.")
    return Stage(1, _OK, f"Step {step.number} ({step.name}) runs on {target.name}.")


def configured(connection: Connection) -> Stage:
    """Step 2: does the target have what the connector needs?"""
    if connection.problem:
        step = "Give the target a credential." if connection.type in AZURE else "Name a step that runs on an Azure VM."
        return Stage(2, _FAIL, connection.problem, step)
    keys = ", ".join(connection.keys)
    return Stage(2, _OK, f"{connection.type} with {keys}; a VM's id and a way to sign in are there.")
