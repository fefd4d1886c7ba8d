"""When the absence of a run in a session is proven."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from afield.connectors.adapter.sight import Sight
from afield.connectors.session_pool.pins import Pin, PinBook, Pins
from afield.testing.notes import MemoryNotes

T = datetime(2026, 5, 1, 12, tzinfo=UTC)
SKEW = timedelta(minutes=5)


def at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def pin(boot: str, seconds: float, since: float = -100) -> Pin:
    return Pin(boot=boot, at=at(seconds), remembers_since=at(since))


def sight(boot: str, since: float = -100) -> Sight:
    return Sight(boot=boot, remembers_since=at(since), calls=1)


@pytest.mark.parametrize(
    ("pins", "seen", "proven"),
    [
        (Pins(pins=(pin("a", -10),)), sight("a"), True),  # there before, there now
        (Pins(pins=(pin("a", 1),)), sight("a"), True),  # the first that ever was: nothing was sent before it
        (Pins(pins=(pin("a", -10),)), sight("b"), False),  # somebody else is there now
        (Pins(pins=(pin("a", -10), pin("b", 1))), sight("b"), False),  # it may have gone to a
        (Pins(pins=(pin("a", -10), pin("b", -5))), sight("b"), True),
        (Pins(pins=(pin("b", 1),), cut=True), sight("b"), False),
        (Pins(pins=(pin("a", -10),)), sight("a", since=-50), False),  # it forgot something, and clocks differ
        (Pins(pins=(pin("a", -10),)), sight("a", since=-400), True),  # ... but long before
        (Pins(pins=(pin("a", -10),)), Sight(boot="a"), False),
        (Pins(), sight("a"), False),
    ],
)
def test_absence_is_proven_only_by_one_that_was_there_all_the_time(pins: Pins, seen: Sight, proven: bool) -> None:
    assert pins.show_absent(seen, T, SKEW) is proven


async def test_all_processes_see_the_same_notes() -> None:
    notes = MemoryNotes()
    one, other = PinBook(notes), PinBook(notes)
    assert await one.of("s-1") is None
    await one.note("s-1", pin("a", 0))
    await other.note("s-1", pin("b", 5))
    await other.note("s-1", pin("b", 9))
    fresh = await one.fresh("s-1")
    assert fresh is not None
    assert [(p.boot, p.at) for p in fresh.pins] == [("a", at(0)), ("b", at(5))]
    await one.forget("s-1")
    assert notes.kept == {}


async def test_a_session_that_changes_hands_often_is_remembered_as_such() -> None:
    book = PinBook(MemoryNotes())
    for number in range(20):
        await book.note("s-1", pin(f"b{number}", number))
    pins = await book.of("s-1")
    assert pins is not None
    assert (pins.cut, pins.boot, len(pins.pins) < 20) == (True, "b19", True)
