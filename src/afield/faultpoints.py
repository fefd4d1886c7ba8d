"""Named points at which a test may kill this very process.

A crash test sets `AFIELD_FAULTPOINTS=name:count[,name:count]`; the process kills itself with SIGKILL when it
reaches `name` for the `count`-th time. Without the variable `reach` is one dictionary look-up in an empty dictionary.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import NoReturn


class FaultPoint(StrEnum):
    """Where an execution can be interrupted with the most to lose."""

    BEFORE_INTENT = "before_intent"  # nothing written, nothing sent
    AFTER_INTENT = "after_intent"  # written, not sent
    AFTER_SEND = "after_send"  # the remote has it, the reply is not read
    AFTER_REPLY = "after_reply"  # the reply is read, nothing of it is written
    DURING_LOOK = "during_look"  # between two pages of a listing
    DURING_REPAIR = "during_repair"  # between a repair's two halves
    DURING_COLLECT = "during_collect"  # between two parts of an output
    SESSION_BEFORE_WRITE = "session_before_write"  # what follows from a session is known, nothing of it is written
    SESSION_AFTER_WRITE = "session_after_write"  # a step is written as running, its execution is not recorded
    SESSION_AFTER_CREATE = "session_after_create"  # the execution is recorded, nobody was told


def _parse(text: str) -> dict[FaultPoint, int]:
    """Read `name:count,...`; a wrong name raises ValueError, so that a crash test cannot pass by a typing error."""
    counts: dict[FaultPoint, int] = {}
    for item in filter(None, text.split(",")):
        name, _, count = item.partition(":")
        counts[FaultPoint(name.strip())] = int(count or 1)
    return counts


_armed: dict[FaultPoint, int] = _parse(os.environ.get("AFIELD_FAULTPOINTS", ""))


def arm(text: str) -> None:
    """Arm points in this process: `name:count[,name:count]`. Raises ValueError for a name there is not."""
    _armed.update(_parse(text))


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_die: Callable[[], None] = _kill_this_process


@contextmanager
def armed(point: FaultPoint, die: Callable[[], NoReturn], count: int = 1) -> Iterator[None]:
    """While inside, `die` is called at `point`, reached for the `count`-th time: a death that the process survives."""
    global _die  # noqa: PLW0603 - one process, one way to die
    before = _die
    _armed[point], _die = count, die
    try:
        yield
    finally:
        _armed.pop(point, None)
        _die = before


def reach(point: FaultPoint) -> None:
    """Say that `point` is reached; dies here when it is armed and its count is used up."""
    if point not in _armed:
        return
    _armed[point] -= 1
    if _armed[point] <= 0:
        _die()
