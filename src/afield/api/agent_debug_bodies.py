"""What the debug routes of sessions take and give."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from afield.api.agent_bodies import SessionBody
from afield.api.bodies import ExecutionBody, Given, ReasonBody, Shown, Time
from afield.api.diagnosing import DiagnosisBody, RungBody
from afield.connectors.base import CheckVerdict
from afield.diagnose.session import SessionFacts, session_expectation
from afield.model.execution import Execution
from afield.model.session import Step, StepState
from afield.model.states import ExecutionState
from afield.model.target import Target
from afield.runbooks.connection_test import ConnectionTest


class ConnectionBody(Shown):
    """What is configured of a target, without secrets."""

    target: str
    type: Annotated[str, Field(description="The connector.", examples=["azure_vm"])]
    keys: tuple[str, ...]
    has_resource_id: bool
    has_credentials: bool


class ConnectionStepBody(Shown):
    """One step of the test."""

    step: int
    name: str
    verdict: CheckVerdict
    answer: str
    next_step: str


class ConnectionTestBody(Shown):
    """How far a connection works, and the first thing that does not."""

    session_id: int
    success: bool
    executed: Annotated[bool, Field(description="Whether the test command ran.")]
    refused: Annotated[str | None, Field(description="Why the test command was not run although it was asked for.")]
    sentence: str
    connection: ConnectionBody | None
    steps: list[ConnectionStepBody]
    diagnosis: DiagnosisBody | None

    @classmethod
    def of(cls, session_id: int, test: ConnectionTest) -> Self:
        shown = {name: getattr(test, name) for name in ("success", "executed", "refused", "sentence", "connection")}
        diagnosis = DiagnosisBody.of(test.diagnosis) if test.diagnosis else None
        steps = [ConnectionStepBody.model_validate(step) for step in test.steps]
        return cls.model_validate(shown | {"session_id": session_id, "steps": steps, "diagnosis": diagnosis})


class AgentBody(Shown):
    """The VM's guest agent, which every run command needs."""

    ready: Annotated[bool | None, Field(description="null: Azure does not tell.")]
    version: str
    status: str
    message: str


class ExtensionBody(Shown):
    """One extension of the VM."""

    name: str
    type: str
    version: str
    state: str
    code: str
    display_status: str


class RunCommandBody(Shown):
    """One managed run command, without its output."""

    name: str
    state: str
    provisioning_state: str
    exit_code: int | None
    started_at: datetime | None
    ended_at: datetime | None


class WayOutBody(Shown):
    """One thing to do about a conflict."""

    what: str
    how: str
    risk: str
    afield: Annotated[bool, Field(description="Afield can do it.")]


class VmStatusBody(Shown):
    """How a VM stands, as Azure shows it now."""

    session_id: int
    target: str
    vm_name: str
    resource_group: str
    resource_id: str
    os_type: str
    vm_power_state: str
    vm_provisioning_state: str
    agent: AgentBody
    extensions: list[ExtensionBody]
    managed_run_commands: list[RunCommandBody]
    running_command_detected: bool
    conflict: Annotated[str, Field(examples=["none", "true", "foreign", "false_conflict", "orphaned"])]
    explanation: Annotated[str, Field(description="What holds the VM's action run command, in one sentence.")]
    evidence: Annotated[list[str], Field(description="What that rests on.")]
    ways_out: Annotated[list[WayOutBody], Field(description="Mildest first.")]


class RestartBody(Given):
    """Why the VM is restarted, and its name once more, so that no other VM is hit by mistake."""

    reason: Annotated[str, Field(min_length=3, max_length=500, examples=["action run command stuck since 9:40"])]
    confirm_name: Annotated[str, Field(min_length=1, max_length=64, examples=["web-01"])]


class RestartedBody(Shown):
    """A restart that was recorded."""

    execution_id: UUID
    target_id: Annotated[UUID, Field(description="The target through which the VM is restarted.")]
    vm_name: str
    running_steps: Annotated[list[int], Field(description="Steps of the session that the restart may cut off.")]
    execution: ExecutionBody


class StepStateBody(Shown):
    """How far a step is, here and at its target."""

    number: int
    name: str
    state: StepState
    reason: ReasonBody | None
    target: str | None
    attempt: int
    exit_code: int | None
    started_at: Time | None
    finished_at: Time | None
    execution_id: UUID | None
    execution_state: ExecutionState | None
    remote_status: str | None
    remote_seen_at: Time | None

    @classmethod
    def of(cls, step: Step, targets: Mapping[UUID, Target], execution: Execution | None) -> Self:
        target = targets.get(step.target_id) if step.target_id else None
        about = {name: getattr(step, name, None) for name in cls.model_fields}
        about |= {"target": target.name if target else None}
        if execution is not None:
            about |= {"execution_state": execution.state}
            about |= {"remote_status": execution.remote_status, "remote_seen_at": execution.remote_seen_at}
        return cls.model_validate(about)


class NextBody(Shown):
    """What the engine does next, and when."""

    what: str
    at: Annotated[Time | None, Field(description="null: nothing is planned before something happens.")]

    @classmethod
    def of(cls, facts: SessionFacts) -> Self:
        """What is followed comes first: a session that waits for its executions plans nothing itself."""
        running = (facts.execution(step) for step in facts.of(StepState.RUNNING))
        times = [facts.session.next_at, *(one.next_at for one in running if one is not None)]
        return cls(what=session_expectation(facts), at=min((time for time in times if time), default=None))


class ExecutionStateBody(Shown):
    """A session as the engine sees it."""

    session: SessionBody
    steps: list[StepStateBody]
    connections: list[ConnectionBody]
    next: NextBody
    issues: Annotated[list[RungBody], Field(description="What is not as it should be, and what to do about it.")]
    sentence: Annotated[str, Field(description="The most likely cause, and the next step.")]


class ActiveSessionsBody(Shown):
    """All sessions that have not ended, the latest first."""

    active_sessions: list[SessionBody]
