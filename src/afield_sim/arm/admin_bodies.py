"""The bodies of admin calls about machines; anything else is answered 422 with what is wrong."""

from typing import Literal

from pydantic import Field

from ..admin.bodies import AdminBody
from .model import Os, State


class NewVm(AdminBody):
    """A machine to add."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    resource_group: str = Field(default="rg-shop", pattern=r"^[A-Za-z0-9][A-Za-z0-9._()-]*$")
    os_type: Os = Os.LINUX
    location: str = "westeurope"
    tags: dict[str, str] = Field(default_factory=dict)


class PlantedCommand(AdminBody):
    """Managed run commands nobody created over the API; with a `count`, names get a number."""

    vm: str
    name: str
    state: State = State.SUCCEEDED
    age_seconds: float = Field(default=60, ge=0)
    script: str = "true"
    count: int = Field(default=1, ge=1, le=25)


class ForcedState(AdminBody):
    """A state given to a managed run command from outside; `ended`: whether it has an end time, None: by the state."""

    state: State
    exit_code: int = 0
    message: str | None = None
    output: str | None = None
    error: str | None = None
    ended: bool | None = None


class ArmWait(AdminBody):
    """What to wait for: at least `at_least` of something, for `timeout` seconds at most.

    `what` is `running` (scripts that run now), `started` or `ended` (lines of the journal), `idle` (1 when
    nothing runs on any machine asked about), or `calls` (calls of the kind `call`). `name` is that of a
    managed run command or the id of an action's operation.
    """

    what: Literal["running", "started", "ended", "idle", "calls"] = "started"
    at_least: int = Field(default=1, ge=0)
    vm: str | None = None
    name: str | None = None
    call: str | None = None
    timeout: float = Field(default=10, ge=0, le=300)
