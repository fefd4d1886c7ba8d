"""A conversation with a program while it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Typed:
    """Something said to a running program: bytes for its standard input (empty: its end), or a signal's name."""

    data: bytes = b""
    signal: str | None = None


class Talk(Protocol):
    """Whoever watches a run while it goes on, and may talk to it."""

    async def stage(self, stage: str) -> None:
        """A stage (`compile`, `run`) began."""
        ...

    async def printed(self, stage: str, stream: str, data: bytes) -> None:
        """The program wrote to `stdout` or `stderr`."""
        ...

    async def ended(self, stage: str, exit_code: int | None, signal: str | None) -> None:
        """A stage ended."""
        ...

    def typed(self) -> AsyncIterator[Typed]:
        """What the program is to be told; ends when nothing more will come. Only asked when `interactive`."""
        ...

    @property
    def interactive(self) -> bool:
        """Whether the program's standard input stays open for what is typed."""
        ...
