"""How the simulated cloud behaves when nothing is wrong."""

from pydantic import BaseModel, ConfigDict, Field

Seconds = float


class ArmSettings(BaseModel):
    """Durations in seconds, limits and page sizes of the whole cloud."""

    model_config = ConfigDict(extra="forbid")

    enforce_limits: bool = Field(default=True, description="False: budgets are counted, never enforced")
    limit_scale: float = Field(default=1.0, gt=0, description="widens the budgets")
    status_grain_s: Seconds = Field(default=1.0, gt=0, description="how often live status is refreshed; really 15")
    status_lag_s: Seconds = Field(default=0.0, ge=0, description="from a script's end until its final state shows")
    min_v1_seconds: Seconds = Field(
        default=0.0, ge=0, description="an action command takes at least so long; really 20"
    )
    v1_tail_seconds: Seconds = Field(default=0.0, ge=0, description="conflicts go on so long after an action's success")
    operation_seconds: Seconds = Field(default=0.2, ge=0, description="of a DELETE or a power operation")
    retry_after_s: int | None = Field(default=None, ge=0, description="sent on accept and on polls; None: not sent")
    vm_page_size: int = Field(default=100, ge=1)
    command_page_size: int = Field(default=50, ge=1)
    long_urls: bool = Field(default=True, description="operation URLs carry signed parameters, over 1.5 KB")
    windows_exit_fails: bool = Field(default=False, description="old Windows: exit 1 fails the operation")
