"""The bodies of admin calls; anything else is answered 422 with what is wrong."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..amc.settings import AccountSettings, InstanceSettings


class AdminBody(BaseModel):
    """A JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Planted(AdminBody):
    """Executions of somebody else, already there; `age_seconds` counts back from now."""

    instance_id: str
    workflow_id: str = "somebody-elses-query"
    status: str = "SUCCEEDED"
    status_reason: str | None = None
    created_at: float | None = Field(default=None, description="seconds since 1970; else see age_seconds")
    age_seconds: float = 0
    sql: str | None = None
    parameter_values: dict[str, Any] = {}
    time_window_start: str | None = None
    time_window_end: str | None = None
    time_window_time_zone: str = "UTC"
    timeout_seconds: int = 21600
    count: int = Field(default=1, ge=1, le=100_000)


class Forced(AdminBody):
    """A status given to an execution from outside, be it a word nobody knows."""

    status: str
    status_reason: str | None = None


class Advance(AdminBody):
    """How far to move the clock."""

    seconds: float = Field(ge=0)


class SettingsPatch(AdminBody):
    """Settings by instance (`*` for all), and of the account; what is not named stays."""

    account: dict[str, Any] = {}
    instances: dict[str, dict[str, Any]] = {}


class Settings(AdminBody):
    """All settings."""

    account: AccountSettings
    instances: dict[str, InstanceSettings]


class WaitQuery(AdminBody):
    """What to wait for: at least `at_least` of something, for `timeout` seconds at most.

    `what` is `created` (executions taken over the API), `executions` (planted ones too), `finished`
    (those no longer live), `status` (those in the status `status`) or `calls` (calls of the kind `call`).
    """

    what: Literal["created", "executions", "finished", "status", "calls"] = "created"
    at_least: int = Field(default=1, ge=0)
    status: str | None = None
    call: str | None = None
    instance_id: str | None = None
    workflow_id: str | None = None
    timeout: float = Field(default=10, ge=0, le=300)
