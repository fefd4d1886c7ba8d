"""Compiled programs, kept as long as there is room: the same submission with another input is compiled once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace

from afield_sandbox.adapter.submissions import Order, program_digest
from afield_sandbox.jail import LocalJail
from afield_sandbox.model import MIB, Program

_MOST_PROGRAMS = 500
_MOST_BYTES = 256 * MIB


class Programs:
    """The most recently used, bounded in number and in bytes."""

    def __init__(self, jail: LocalJail, *, most_programs: int = _MOST_PROGRAMS, most_bytes: int = _MOST_BYTES) -> None:
        self._jail = jail
        self._most_programs = most_programs
        self._most_bytes = most_bytes
        self._kept: OrderedDict[bytes, Program] = OrderedDict()
        self._bytes = 0
        self._under_way: dict[bytes, asyncio.Task[Program]] = {}

    async def program(self, order: Order) -> Program:
        """Ready to run with this order's input and limits, or with the outcome of a failed compilation.

        Raises BusyError, ClosedError, WorkerLostError.
        """
        if order.language.compile is None:
            return await self._jail.compile(order.submission)
        digest = program_digest(order.submission, order.language.version)
        program = self._kept.get(digest)
        if program is None:
            program = await asyncio.shield(self._compiling(digest, order))
        else:
            self._kept.move_to_end(digest)
        return replace(program, submission=order.submission)

    def _compiling(self, digest: bytes, order: Order) -> asyncio.Task[Program]:
        """One compilation for all who wait for the same; a caller who goes away does not end it."""
        task = self._under_way.get(digest)
        if task is None:
            task = asyncio.create_task(self._compile(digest, order))
            task.add_done_callback(_look_at)
            self._under_way[digest] = task
        return task

    async def _compile(self, digest: bytes, order: Order) -> Program:
        try:
            program = await self._jail.compile(order.submission)
        finally:
            del self._under_way[digest]
        if program.ready:  # a failure can be the moment's, such as a limit on a busy host
            self._keep(digest, program)
        return program

    def _keep(self, digest: bytes, program: Program) -> None:
        size = _size(program)
        if size > self._most_bytes:
            return
        self._kept[digest] = replace(program, submission=replace(program.submission, stdin=b""))
        self._bytes += size
        while self._bytes > self._most_bytes or len(self._kept) > self._most_programs:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= _size(dropped)


def _size(program: Program) -> int:
    files = (*program.files, *program.submission.files)
    return sum(len(file.content) for file in files) + 1024


def _look_at(task: asyncio.Task[Program]) -> None:
    """A compilation whose callers have all gone away: its failure is nobody's."""
    if not task.cancelled():
        task.exception()
