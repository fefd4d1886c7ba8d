"""All identifiers' workspaces, bounded in number; what nobody uses is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from afield_sandbox.adapter.clock import Clock
from afield_sandbox.adapter.errors import BusyAnswerError, TooLargeError
from afield_sandbox.adapter.interpreter.folder import Stored
from afield_sandbox.adapter.interpreter.frames import Kind
from afield_sandbox.adapter.interpreter.workspace import Done, Work, Workspace
from afield_sandbox.jail import LocalJail
from afield_sandbox.model import MIB

_MOST_WORKSPACES = 1000
_MOST_BYTES = 512 * MIB


@dataclass(frozen=True, slots=True)
class Keeping:
    """How many sessions are kept, and how long. Seconds, bytes.

    An idle session does not give way to a new one before `hold_s`; whatever was not used for `idle_s` is forgotten.
    """

    sessions: int
    hold_s: float
    idle_s: float
    memory_bytes: int


class Workspaces:
    """By identifier."""

    def __init__(self, jail: LocalJail, clock: Clock, keeping: Keeping) -> None:
        self._jail = jail
        self._clock = clock
        self._keeping = keeping
        self._all: dict[str, Workspace] = {}
        self._room = asyncio.Lock()
        self._tidying: asyncio.Task[None] | None = None

    @property
    def idle_s(self) -> float:
        """After how long what nobody uses is forgotten."""
        return self._keeping.idle_s

    def find(self, identifier: str) -> Workspace | None:
        """What is kept for an identifier."""
        return self._all.get(identifier)

    def open(self, identifier: str) -> Workspace:
        """What is kept for an identifier, made if there is nothing. Raises BusyAnswerError when there are too many."""
        workspace = self._all.get(identifier)
        if workspace is None:
            if len(self._all) >= _MOST_WORKSPACES:
                raise BusyAnswerError("Too many identifiers have files or state here.", hint="POST /reset for some.")
            workspace = self._all[identifier] = Workspace(self._jail, self._clock, self._keeping.memory_bytes)
            self._tidy_later()
        workspace.touch()
        return workspace

    def upload(self, identifier: str, name: str, content: bytes) -> Stored:
        """A file from a caller. Raises TooLargeError, BusyAnswerError, BadSubmissionError."""
        if sum(workspace.folder.size for workspace in self._all.values()) + len(content) > _MOST_BYTES:
            raise TooLargeError("All identifiers' files together are too large.", hint="Delete some, or POST /reset.")
        return self.open(identifier).folder.upload(name, content, self._clock.now())

    async def execute(self, identifier: str, work: Work) -> Done:
        """Run it in the identifier's session. Raises BusyAnswerError, SandboxError."""
        workspace = self.open(identifier)
        if workspace.session is None and not workspace.busy:
            async with self._room:
                await self._make_room(workspace)
        return await workspace.execute(work)

    async def try_out(self) -> bool:
        """Whether a session works."""
        workspace = Workspace(self._jail, self._clock, self._keeping.memory_bytes)
        try:
            done = await workspace.execute(Work(Kind.PYTHON, "6 * 7", 20.0))
        finally:
            await workspace.forget()
        return done.answer.result == 42

    async def _make_room(self, asking: Workspace) -> None:
        """End the session that was idle longest, if there are too many. Raises BusyAnswerError when none may end."""
        places = [found for found in self._all.values() if found is not asking and (found.session or found.busy)]
        if len(places) < self._keeping.sessions:
            return
        oldest = max(places, key=lambda found: found.idle_s)
        if oldest.busy or oldest.idle_s < self._keeping.hold_s:
            hint = "DELETE /session for one that is not needed any more, or try again later."
            raise BusyAnswerError(f"All {self._keeping.sessions} sessions are in use.", hint=hint, code="sessions_full")
        await oldest.end_session()

    async def forget(self, identifier: str) -> bool:
        """Forget files and state; False when there was nothing."""
        workspace = self._all.pop(identifier, None)
        if workspace is None:
            return False
        await workspace.forget()
        return True

    def _tidy_later(self) -> None:
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.create_task(self._tidy())

    async def _tidy(self) -> None:
        """Forget what nobody uses, as long as there is anything."""
        while self._all:
            longest = max(workspace.idle_s for workspace in self._all.values())
            await asyncio.sleep(max(0.05, self._keeping.idle_s - longest))
            for identifier in list(self._unused()):
                await self.forget(identifier)

    def _unused(self) -> Iterator[str]:
        for identifier, workspace in self._all.items():
            if workspace.idle_s >= self._keeping.idle_s:
                yield identifier

    async def close(self) -> None:
        """End all sessions."""
        if self._tidying is not None:
            self._tidying.cancel()
            with suppress(asyncio.CancelledError):
                await self._tidying
        for identifier in list(self._all):
            await self.forget(identifier)
