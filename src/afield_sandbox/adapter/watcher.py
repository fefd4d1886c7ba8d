"""Whoever follows a run while it goes on."""

from __future__ import annotations

from typing import Protocol

from afield_sandbox.keeper.run import Run
from afield_sandbox.model import Outcome, Stream


class Watcher(Protocol):
    """Called on the event loop; must not wait."""

    @property
    def interactive(self) -> bool:
        """Whether standard input stays open after the submission's."""

    def compiled(self, outcome: Outcome) -> None:
        """The submission was compiled, with or without success."""

    def running(self, run: Run) -> None:
        """A worker is about to get it."""

    def printed(self, stream: Stream, data: bytes) -> None:
        """The program wrote this."""

    def ended(self) -> None:
        """The run has ended, or will not be run; its record says which."""
