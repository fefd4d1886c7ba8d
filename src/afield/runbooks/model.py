"""What a runbook says: its inputs, its checks, its steps, and how each is undone. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, StringConstraints, Tag, model_validator

from afield.connectors.base import StrictModel
from afield.model.session import OnFail, Phase
from afield.runbooks.durations import Seconds

MOST_STEPS = 200
MOST_INPUTS = 100

Scalar: TypeAlias = str | int | float | bool
Text = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Script = Annotated[str, StringConstraints(min_length=1, max_length=64 * 1024)]
InputName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
RunbookId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]
Version = Annotated[
    str,
    StringConstraints(
        pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$", max_length=64
    ),
]


class Environment(StrEnum):
    """Where a runbook is meant to run; decides how strict the policy is."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


class Risk(StrEnum):
    """How much harm a mistake can do, as its author sees it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Severity(StrEnum):
    """How bad the failure of a step is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class InputType(StrEnum):
    """What an input may hold. There is no type for secrets: those belong to the target's credential."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ENUM = "enum"
    HOSTNAME = "hostname"
    PATH = "path"


class Shell(StrEnum):
    """What reads a command."""

    BASH = "bash"
    POWERSHELL = "powershell"


class Input(StrictModel):
    """A value that whoever starts the runbook gives."""

    name: InputName
    type: InputType = InputType.STRING
    required: bool = False
    default: Scalar | None = None
    description: str = ""
    pattern: str | None = Field(default=None, max_length=500, description="Regular expression for the whole value.")
    choices: tuple[Scalar, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Input:
        if self.type is InputType.ENUM and not self.choices:
            raise ValueError("an input of type enum needs choices")
        if self.required and self.default is not None:
            raise ValueError("an input is required or has a default, not both")
        return self


class CommandWork(StrictModel):
    """A script for the target."""

    command: Script


class HttpWork(StrictModel):
    """A request the target sends, or is sent."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: Text = Field(description="A full address, or a path at the target.")
    expected_status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = Field(default=(200,), min_length=1)
    body: JsonValue = None


class QueryWork(StrictModel):
    """A statement with named parameters, written `%(name)s` or `{{ name }}`."""

    query: Script
    parameters: dict[InputName, JsonValue] = Field(default_factory=dict)


class RollbackTerms(StrictModel):
    """What every rollback says, whatever it does."""

    timeout: Seconds | None = None
    on_fail: Literal[OnFail.STOP, OnFail.CONTINUE] = OnFail.STOP
    requires_approval: bool = False
    description: str = ""


class CommandRollback(RollbackTerms, CommandWork):
    """A script that undoes a step."""


class HttpRollback(RollbackTerms, HttpWork):
    """A request that undoes a step."""


class QueryRollback(RollbackTerms, QueryWork):
    """A statement that undoes a step."""


class BaseStep(StrictModel):
    """What every step says, whatever its type."""

    name: Name
    description: str = ""
    severity: Severity = Severity.MEDIUM
    on_fail: OnFail = OnFail.STOP
    timeout: Seconds | None = None
    requires_approval: bool = False
    approvers: int = Field(default=1, ge=1, le=10, description="How many people have to approve.")
    other_than_starter: bool = Field(default=False, description="Whoever started the session may not approve.")


class RunStep(BaseStep):
    """A step that a target carries out."""

    target: Name | None = Field(default=None, description="Name of the target; without it, the session's.")
    expected_output: str | None = Field(
        default=None, min_length=1, max_length=2_000, description="Text that the output contains, or /expression/."
    )
    retries: int = Field(default=0, ge=0, le=10)


def _as_command(given: object) -> object:
    return {"command": given} if isinstance(given, str) else given


def _as_query(given: object) -> object:
    return {"query": given} if isinstance(given, str) else given


class CommandStep(RunStep, CommandWork):
    """Runs a script."""

    type: Literal["command"] = "command"
    shell: Shell = Shell.BASH
    rollback: Annotated[
        CommandRollback | None, BeforeValidator(_as_command, json_schema_input_type=str | CommandRollback | None)
    ] = None


class HttpStep(RunStep, HttpWork):
    """Sends a request."""

    type: Literal["http"]
    rollback: HttpRollback | None = None


class QueryStep(RunStep, QueryWork):
    """Runs a statement."""

    type: Literal["query"]
    rollback: Annotated[
        QueryRollback | None, BeforeValidator(_as_query, json_schema_input_type=str | QueryRollback | None)
    ] = None


class ManualStep(BaseStep):
    """A person does it, and says so. Its description says what to do."""

    type: Literal["manual"]
    description: Text


class ApprovalStep(BaseStep):
    """The session waits until people let it go on."""

    type: Literal["approval"]
    question: Text


def _type_of(given: object) -> str | None:
    """A step that does not say its type is a command."""
    kind = given.get("type", "command") if isinstance(given, dict) else getattr(given, "type", None)
    return kind if isinstance(kind, str) else None


AnyWork: TypeAlias = CommandWork | HttpWork | QueryWork
AnyRollback: TypeAlias = CommandRollback | HttpRollback | QueryRollback
AnyStep: TypeAlias = CommandStep | HttpStep | QueryStep | ManualStep | ApprovalStep
Step = Annotated[
    Annotated[CommandStep, Tag("command")]
    | Annotated[HttpStep, Tag("http")]
    | Annotated[QueryStep, Tag("query")]
    | Annotated[ManualStep, Tag("manual")]
    | Annotated[ApprovalStep, Tag("approval")],
    Discriminator(_type_of),
]
Steps = Annotated[tuple[Step, ...], Field(max_length=MOST_STEPS)]


class Runbook(StrictModel):
    """A whole runbook."""

    runbook_id: RunbookId
    version: Version
    title: Name
    service: Name
    env: Environment
    risk: Risk
    description: str = ""
    owner: Name
    inputs: Annotated[tuple[Input, ...], Field(max_length=MOST_INPUTS)] = ()
    prechecks: Steps = ()
    steps: Annotated[Steps, Field(min_length=1)]
    postchecks: Steps = ()

    def all_steps(self) -> Iterator[tuple[Phase, int, AnyStep]]:
        """Phase, place in its list (from 0) and step, in the order in which they run."""
        for phase, steps in (
            (Phase.PRECHECK, self.prechecks),
            (Phase.STEP, self.steps),
            (Phase.POSTCHECK, self.postchecks),
        ):
            yield from ((phase, place, step) for place, step in enumerate(steps))


LIST_OF = {Phase.PRECHECK: "prechecks", Phase.STEP: "steps", Phase.POSTCHECK: "postchecks"}
"""The field that holds a phase's steps."""
