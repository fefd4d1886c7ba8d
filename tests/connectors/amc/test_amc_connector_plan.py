"""Properties of the pure half of a look: which calls, and what becomes of their pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from afield.connectors.amc.look_plan import Wanted, absorb, choose, density_of, pages
from afield.connectors.amc.memory import Memory
from afield.connectors.amc.status import STATES, state_of
from afield.connectors.base import Entry, RemoteState

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ages = st.floats(min_value=0, max_value=86400).map(lambda seconds: NOW - timedelta(seconds=seconds))
densities = st.floats(min_value=0, max_value=10)


@st.composite
def wanted_ones(draw: st.DrawFn) -> list[Wanted]:
    times = draw(st.lists(ages, max_size=300))
    return [Wanted(f"h{index}", since) for index, since in enumerate(times)]


@given(wanted_ones(), st.none() | ages, densities)
def test_a_plan_answers_for_everything(wanted: list[Wanted], floor: datetime | None, density: float) -> None:
    plan = choose(wanted, floor, NOW, density)
    for one in wanted:
        assert one.name in plan.single or (plan.since is not None and plan.since <= one.since)
    if floor is not None:
        assert plan.since is not None and plan.since <= floor


@given(wanted_ones(), st.none() | ages, densities)
def test_a_plan_is_never_worse_than_listing_all_or_asking_each(
    wanted: list[Wanted], floor: datetime | None, density: float
) -> None:
    plan = choose(wanted, floor, NOW, density)
    listed = len(wanted) - len(plan.single)
    cost = len(plan.single) + (0 if plan.since is None else pages(plan.since, NOW, density, listed))
    if floor is None:
        assert cost <= len(wanted)
    starts = [one.since for one in wanted] + ([floor] if floor else [])
    if starts:
        assert cost <= pages(min(starts), NOW, density, len(wanted))


def test_between_equal_plans_the_listing_wins() -> None:
    assert choose([Wanted("a", NOW)], None, NOW, 0).since == NOW
    assert choose([], None, NOW, 0).since is None


def test_a_straggler_does_not_widen_the_listing() -> None:
    day_old = Wanted("old", NOW - timedelta(days=1))
    young = [Wanted(f"y{n}", NOW - timedelta(minutes=1)) for n in range(50)]
    plan = choose([*young, day_old], None, NOW, density=1.0)
    assert (plan.since, plan.single) == (NOW - timedelta(minutes=1), ("old",))
    assert choose([*young, day_old], None, NOW, density=0).single == ()


def test_density() -> None:
    assert density_of(300, NOW - timedelta(seconds=60), NOW) == 5
    assert density_of(3, NOW, NOW) == 3


entries = st.builds(
    lambda handle, status, updated: Entry(
        handle=handle,
        status=status,
        state=state_of(status),
        echo={"lastUpdatedTime": f"2026-01-01T00:00:{updated:02}Z"},
    ),
    st.sampled_from("abcdef"),
    st.sampled_from([*STATES, "ON_HOLD"]),
    st.integers(0, 59),
)


@given(st.lists(st.lists(entries, max_size=6), max_size=6), st.randoms())
def test_pages_may_come_in_any_order_and_overlap(listing: list[list[Entry]], random: object) -> None:
    def read(order: list[list[Entry]]) -> dict[str, tuple[str, object]]:
        found: dict[str, Entry] = {}
        for page in order:
            absorb(found, page)
        return {handle: (entry.status, entry.echo["lastUpdatedTime"]) for handle, entry in found.items()}

    shuffled = list(listing)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert read(listing) == read(shuffled) == read([*listing, *listing])
    assert read(listing).keys() == {entry.handle for entry in chain(*listing)}


def test_an_end_beats_later_news() -> None:
    live = Entry(handle="a", status="RUNNING", state=RemoteState.RUNNING, echo={"lastUpdatedTime": "2026-01-02"})
    over = Entry(handle="a", status="FAILED", state=RemoteState.FAILED, echo={"lastUpdatedTime": "2026-01-01"})
    found: dict[str, Entry] = {}
    absorb(found, [over, live])
    assert found == {"a": over}


@given(st.text())
def test_every_word_has_a_state(word: str) -> None:
    assert state_of(word) is STATES.get(word, RemoteState.UNKNOWN)


def test_memory_is_bounded_and_keeps_what_is_wanted() -> None:
    memory = Memory()
    for number in range(5000):
        memory.learn(Entry(handle=f"h{number}", status="SUCCEEDED", state=RemoteState.SUCCEEDED, created_at=NOW))
    memory.trim({"h0"})
    assert memory.created_at("h0") == memory.created_at("h4999") == NOW
    assert memory.created_at("h1") is None
    assert memory.take_succeeded("h0") is None
    assert memory.take_succeeded("h4999") is not None
    assert memory.take_succeeded("h4999") is None


def test_memory_holds_what_waits_to_be_collected() -> None:
    """As many as may be live can succeed in one look, and as many again before these are collected."""
    memory = Memory(most_live=2000)
    for number in range(4000):
        memory.learn(Entry(handle=f"h{number}", status="SUCCEEDED", state=RemoteState.SUCCEEDED, created_at=NOW))
    memory.trim(())
    assert all(memory.take_succeeded(f"h{number}") for number in range(4000))
