"""What a script for the runner looks like, checked before anything is recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from afield.connectors.base import Limits, StrictModel
from afield.connectors.command import CommandSpec

_MOST_VALUE_BYTES = 100_000
"""Linux takes no single argument or environment value of 128 KiB or more (`execve(2)`)."""

MARK = "AFIELD_ATTEMPT"
"""The environment variable that carries the attempt's key, by which all that a script has started is found."""


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    return text


def _state_folder(text: str) -> str:
    if not text.startswith(("/", "~/")) or text.rstrip("/") in {"", "~"} or "\n" in text:
        raise ValueError("must be a folder below / or ~/")
    return _no_nul(text.rstrip("/"))


StateFolder = Annotated[str, StringConstraints(max_length=1024), AfterValidator(_state_folder)]
Shell = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./][A-Za-z0-9_./+-]*$", max_length=256)]
UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*\$?$", max_length=64)]


class RunnerAddress(StrictModel):
    """What the runner needs to know of a machine, whichever way leads there."""

    state_dir: StateFolder = "~/.afield/run"
    shell: Shell = Field(default="bash", description="Runs scripts that begin with no #! line.")
    kill_after_s: int = Field(default=5, ge=0, le=300, description="Seconds between TERM and KILL.")


class RunnerSpec(CommandSpec):
    """A script, as the runner can hand it over: texts without NUL, values that fit one argument."""

    run_as: UserName | None = Field(default=None, description="User on the machine, through sudo.")

    @model_validator(mode="after")
    def _can_be_handed_over(self) -> Self:
        _no_nul(self.script)
        if MARK in self.env:
            raise ValueError(f"env: {MARK} is set by the runner")
        for text in (*self.env.values(), *self.arguments):
            if len(_no_nul(text).encode()) > _MOST_VALUE_BYTES:
                raise ValueError(f"a value must not be longer than {_MOST_VALUE_BYTES} bytes")
        return self


RUNNER_LIMITS = Limits(
    max_live=20,
    max_calls=8,  # with a look beside them they fit into sshd's ten sessions a connection
    min_interval=timedelta(seconds=2),
    max_interval=timedelta(seconds=60),
    visibility_delay=timedelta(seconds=1),
    max_visibility_delay=timedelta(minutes=1),  # a folder is there or not; this is for what is still on its way
)
