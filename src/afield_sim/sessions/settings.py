"""How session pools behave when nothing is wrong."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .model import MIN_COOLDOWN

Seconds = float


class SessionSettings(BaseModel):
    """Limits, durations in seconds, and the points on which sources differ; for all pools."""

    model_config = ConfigDict(extra="forbid")

    container_port: int = Field(default=2000, description="the port the program in the image listens on")
    start_timeout_s: Seconds = Field(default=60, gt=0, description="a container that takes longer has crashed")
    min_cooldown_s: int = Field(default=MIN_COOLDOWN, ge=1, description="the shortest cooldown a PUT may ask for")
    provisioning_s: Seconds = Field(default=0, ge=0, description="of a PUT or PATCH; really minutes")
    update_ends_sessions: bool = Field(default=False, description="a new template ends allocated sessions too")
    when_full: Literal[404, 429] = Field(default=404, description="documented is 404, seen is 429")
    wrong_audience_status: Literal[401, 403] = 403
    old_audience: bool = Field(default=False, description="tokens for https://acasessions.io are good, too")
    websockets: bool = Field(default=True, description="connections are upgraded, too")
    forward_identifier: bool = Field(default=True, description="the container sees the identifier in the query")
    kind_error_status: Literal[400, 403] = Field(default=400, description="of DynamicApisNotAllowed")
    run_limit_s: Seconds = Field(default=220, gt=0, description="of one execution in a code-interpreter pool")
    upload_limit_bytes: int = Field(default=128 * 1024 * 1024, ge=1)
