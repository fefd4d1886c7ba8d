"""Which machine, who logs in there, and by which keys the machine is known."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from afield.connectors.runner.spec import RunnerAddress, UserName

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")

HostKey = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=16_384)]


def is_fingerprint(host_key: str) -> bool:
    return _FINGERPRINT.fullmatch(host_key) is not None


class SshAddress(RunnerAddress):
    """One Linux machine."""

    host: str = Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_.:%-]+$")
    port: int = Field(default=22, ge=1, le=65_535)
    user: UserName
    host_keys: tuple[HostKey, ...] = Field(
        min_length=1,
        description="Lines of a known_hosts file, or fingerprints (SHA256:...) as ssh-keygen -l shows.",
    )
    connect_timeout_s: float = Field(default=15, gt=0, le=120)
    agent_socket: str | None = Field(default=None, description="Log in with the keys of the agent that listens here.")

    @model_validator(mode="after")
    def _keys_can_be_read(self) -> Self:
        for key in self.host_keys:
            if key.startswith(("SHA256:", "MD5:")) and not is_fingerprint(key):
                raise ValueError("host_keys: a fingerprint looks like SHA256: and 43 letters or digits")
            if not is_fingerprint(key) and len(key.split()) < 3:
                raise ValueError("host_keys: a line of a known_hosts file has a host, a key type and a key")
        return self
