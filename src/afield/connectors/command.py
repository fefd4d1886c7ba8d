"""What all connectors that run commands have in common: what a command is, and what is kept of its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints

from afield.connectors.base import StrictModel
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject

TAIL_BYTES = 4096
"""How much of the end of each stream is kept beside the execution; all of it is an artifact where it can be had."""

MOST_SCRIPT_BYTES = 256 * 1024

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]


class CommandSpec(StrictModel):
    """A script for one machine. Values reach it as environment variables and arguments, never as part of its text."""

    script: str = Field(min_length=1, max_length=MOST_SCRIPT_BYTES)
    env: dict[EnvName, str] = Field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    run_as: str | None = Field(default=None, min_length=1, max_length=64, description="User on the machine.")
    timeout_s: float = Field(default=3600, gt=0, le=7 * 86_400, description="Seconds the script may run there.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a command ended, as far as the machine says it."""

    exit_code: int | None  # None: the machine does not tell
    stdout: str = ""  # the end of it, TAIL_BYTES at most
    stderr: str = ""
    stdout_cut: bool = False  # there was more
    stderr_cut: bool = False

    def to_json(self) -> JsonObject:
        """As kept in `Output.detail`."""
        return {
            "exit_code": self.exit_code,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "stdout_cut": self.stdout_cut,
            "stderr_cut": self.stderr_cut,
        }


def exit_reason(exit_code: int) -> Reason:
    """Why a command that ended with this code (not 0) counts as failed."""
    return Reason("exit_code", f"The script ended with exit code {exit_code}.")


def tail(data: bytes, limit: int = TAIL_BYTES) -> tuple[str, bool]:
    """The last `limit` bytes as text, and whether anything was cut. A cut inside a character loses that character."""
    cut = len(data) > limit
    kept = data[-limit:] if cut else data
    while cut and kept and kept[0] & 0xC0 == 0x80:  # the rest of a character whose start was cut off
        kept = kept[1:]
    return kept.decode("utf-8", errors="replace"), cut
