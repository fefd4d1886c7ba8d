"""How one instance behaves when nothing is wrong."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = float


class InstanceSettings(BaseModel):
    """Durations in seconds, limits and the choices AMC's sources leave open, for one instance."""

    model_config = ConfigDict(extra="forbid")

    pending_seconds: Seconds = Field(default=0.05, ge=0)
    running_seconds: Seconds = Field(default=0.1, ge=0)
    publishing_seconds: Seconds = Field(default=0.0, ge=0, description="0: PUBLISHING is never shown")
    concurrency: int = Field(default=10, ge=1)
    instant: bool = Field(default=False, description="SUCCEEDED at create, tiny fixed result, no SQL run")
    run_sql: bool = Field(default=True, description="False: the fixed result after the usual durations")
    compile_check: Literal["create", "execution"] = "create"
    echo_adhoc_workflow_id: bool = False
    allow_delete: bool = False
    unknown_id_status: Literal[400, 404] = 400
    minimum_users: int = Field(default=50, ge=0, description="privacy threshold of a result row")
    rows_per_file: int = Field(default=100_000, ge=1)
    url_seconds: Seconds = Field(default=600.0, gt=0)
    timeout_factor: float = Field(
        default=1.0, gt=0, description="real seconds per second of workflowExecutionTimeoutSeconds"
    )


class AccountSettings(BaseModel):
    """What holds for the whole account."""

    model_config = ConfigDict(extra="forbid")

    concurrency: int = Field(default=200, ge=1)
    access_token_seconds: int = Field(default=3600, ge=1)
