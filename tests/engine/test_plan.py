"""What is planned for the rows of one target: tables, and properties over any rows at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.connectors.base import Abilities, Limits
from afield.engine.plan import (
    Action,
    Admit,
    Cancel,
    Collect,
    Doubt,
    Drop,
    Look,
    Plan,
    Submit,
    View,
    backoff,
    decisive_at,
    look_due,
    look_interval,
    plan,
    send_window,
)
from afield.model.execution import Tracked
from afield.model.states import FINAL, LIVE, OCCUPYING, ExecutionState, OutputState
from afield.model.target import LookRecord

S = ExecutionState
NOW = datetime(2026, 1, 2, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
LIMITS = Limits()
ABILITIES = Abilities(batch_look=True, cancel=True, caller_chosen_name=True)
TARGET = UUID(int=1)


def row(state: ExecutionState, number: int = 1, *, ago: timedelta = MINUTE, **fields: object) -> Tracked:
    attempted = state is not S.QUEUED
    made = Tracked(
        id=UUID(int=number),
        target_id=TARGET,
        state=state,
        attempt=int(attempted),
        handle=f"h{number}" if state in LIVE else None,
        created_at=NOW - ago,
        state_at=NOW - ago,
        intent_at=NOW - ago if attempted else None,
        submitted_at=NOW - ago if state in LIVE else None,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def planned(rows: Sequence[Tracked], view: View | None = None, limits: Limits = LIMITS) -> Plan:
    return plan(rows, NOW, limits, ABILITIES, view or View())


def looked(ago: timedelta, *, failures: int = 0) -> LookRecord:
    at = NOW - ago
    return LookRecord(taken_at=at, complete=not failures, failures=failures, completed_at=None if failures else at)


# ---------------------------------------------------------------------------------------------- tables

House = tuple[list[Tracked], Limits, Abilities, View]
PENDING = {"output_state": OutputState.PENDING}
ASKED = {"cancel_requested_at": NOW}


@pytest.mark.parametrize(
    ("one", "action"),
    [
        (row(S.QUEUED), Submit),
        (row(S.QUEUED, retry_at=NOW + SECOND), None),
        (row(S.QUEUED, retry_at=NOW), Submit),
        (row(S.QUEUED, **ASKED), Drop),
        (row(S.QUEUED, deadline_at=NOW), Drop),
        (row(S.SUBMITTING), Doubt),
        (row(S.UNCONFIRMED, ago=44 * SECOND), None),
        (row(S.UNCONFIRMED, ago=45 * SECOND), Look),
        (row(S.SUBMITTED, ago=44 * SECOND), None),
        (row(S.SUBMITTED, ago=45 * SECOND), Look),
        (row(S.RUNNING), Look),
        (row(S.SUBMITTED, ago=SECOND, **ASKED), Cancel),
        (row(S.SUBMITTED, ago=SECOND, deadline_at=NOW), Cancel),
        (row(S.SUBMITTED, ago=SECOND, deadline_at=NOW + SECOND), None),
        (row(S.SUBMITTED, ago=SECOND, **ASKED, cancel_asked_at=NOW - 29 * SECOND), None),
        (row(S.SUBMITTED, ago=SECOND, **ASKED, cancel_asked_at=NOW - 30 * SECOND), Cancel),
        (row(S.UNCONFIRMED, ago=SECOND, **ASKED), None),
        (row(S.SUCCEEDED, **PENDING), Collect),
        (row(S.SUCCEEDED, **PENDING, retry_at=NOW + SECOND), None),
    ],
)
def test_what_one_row_asks_for(one: Tracked, action: type[Action] | None) -> None:
    not_due = View(look=looked(SECOND))
    view = not_due if action in {Cancel, None} else View()
    assert [type(a) for a in planned([one], view).actions] == ([] if action is None else [action])


def test_what_was_never_sent_ends_as_it_was_meant_to() -> None:
    drops = planned([row(S.QUEUED, 1, **ASKED), row(S.QUEUED, 2, deadline_at=NOW)]).actions
    assert [a.to for a in drops if isinstance(a, Drop)] == [S.CANCELLED, S.TIMED_OUT]


def test_a_queued_row_that_is_being_sent_takes_up_a_place() -> None:
    """Its intent is on the way to the ledger: the row still says queued."""
    rows = [row(S.QUEUED, n) for n in range(1, 21)]
    first = planned(rows).actions
    assert len(first) == LIMITS.max_live
    busy = frozenset(a.row.id for a in first)
    assert planned(rows, View(busy=busy)).actions == ()


def test_a_look_waits_for_the_one_under_way_and_for_its_own_pause() -> None:
    one = row(S.RUNNING)
    assert planned([one], View(looking=True)).actions == ()
    assert planned([one], View(look=looked(9 * SECOND, failures=1))).actions == ()
    assert planned([one], View(look=looked(10 * SECOND, failures=1))).actions != ()
    assert planned([one], View(look=looked(4 * MINUTE, failures=30))).actions == ()


def test_a_look_that_costs_more_than_there_is_waits_until_there_is_enough() -> None:
    rows = [row(S.RUNNING, n) for n in range(1, 1001)]
    waiting = planned(rows, View(calls_left=4))
    assert waiting.actions == ()
    assert waiting.wake_at == NOW + 6 * MINUTE / LIMITS.calls_per_minute
    assert planned(rows, View(calls_left=10)).actions == (Look(tuple(rows)),)


def test_a_look_never_costs_more_than_a_minutes_budget() -> None:
    rows = [row(S.RUNNING, n) for n in range(1, 1001)]
    assert planned(rows, View(calls_left=2), replace(LIMITS, calls_per_minute=2)).actions == (Look(tuple(rows)),)


def test_intervals_grow_with_age_within_limits() -> None:
    ages = [timedelta(0), 2 * MINUTE, 16 * MINUTE, timedelta(hours=10)]
    assert [look_interval(age, LIMITS) for age in ages] == [10 * SECOND, 15 * SECOND, 2 * MINUTE, 5 * MINUTE]


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [backoff(n, LIMITS) for n in (1, 2, 5, 30)]
    assert pauses == [SECOND, 2 * SECOND, 16 * SECOND, 5 * MINUTE]


def test_a_deadline_wakes_whatever_else_the_row_waits_for() -> None:
    deadline = NOW + 3 * SECOND
    for one in (row(S.QUEUED, retry_at=NOW + MINUTE), row(S.RUNNING), row(S.SUBMITTED, ago=SECOND)):
        failing = View(look=looked(SECOND, failures=20))
        assert planned([replace(one, deadline_at=deadline)], failing).wake_at == deadline


def test_a_decision_waits_for_whatever_could_still_arrive() -> None:
    delay, window = LIMITS.max_visibility_delay, send_window(LIMITS)
    doubt = row(S.UNCONFIRMED, ago=timedelta(0))
    long_ago = NOW - timedelta(hours=1)
    assert decisive_at(doubt, long_ago, LIMITS) == NOW + 2 * window + delay
    assert decisive_at(replace(doubt, intent_at=long_ago), long_ago, LIMITS) == NOW + delay
    assert decisive_at(replace(doubt, intent_at=long_ago), NOW + MINUTE, LIMITS) == NOW + MINUTE + delay


def test_a_retired_doubt_is_looked_for_when_it_can_be_decided() -> None:
    doubt = row(S.UNCONFIRMED, ago=10 * MINUTE + 30 * SECOND)
    view = View(look=looked(SECOND), retired={doubt.key: doubt.state_at})
    assert look_due(doubt, NOW, view, LIMITS) == decisive_at(doubt, doubt.state_at, LIMITS) == NOW + 30 * SECOND
    assert look_due(doubt, NOW, View(look=looked(SECOND)), LIMITS) > NOW + MINUTE


# ---------------------------------------------------------------------------------------------- properties

moments = st.integers(-7200, 7200).map(lambda s: NOW + timedelta(seconds=s))
past = st.integers(-7200, 0).map(lambda s: NOW + timedelta(seconds=s))
maybe = st.none()


@st.composite
def tracked(draw: st.DrawFn, number: int) -> Tracked:
    state = draw(st.sampled_from(sorted(ExecutionState)))
    pending = state in FINAL
    return Tracked(
        id=UUID(int=number),
        target_id=TARGET,
        state=state,
        attempt=draw(st.integers(0 if state is S.QUEUED else 1, 3)),
        handle=f"h{number}" if state in LIVE or pending else None,
        created_at=draw(past),
        state_at=draw(past),
        intent_at=None if state is S.QUEUED else draw(past),
        submitted_at=draw(past) if state in LIVE else None,
        deadline_at=draw(maybe | moments),
        cancel_requested_at=draw(maybe | past),
        cancel_asked_at=draw(maybe | past),
        retry_at=draw(maybe | moments),
        failures=draw(st.integers(0, 30)),
        output_state=OutputState.PENDING if pending else OutputState.NONE,
    )


@st.composite
def houses(draw: st.DrawFn) -> tuple[list[Tracked], Limits, Abilities, View]:
    rows = [draw(tracked(n)) for n in range(1, draw(st.integers(2, 13)))]
    limits = Limits(max_live=draw(st.integers(0, 8)), calls_per_minute=draw(st.integers(1, 100)))
    abilities = Abilities(
        batch_look=draw(st.booleans()),
        cancel=draw(st.booleans()),
        caller_chosen_name=draw(st.booleans()),
        page_size=draw(st.integers(1, 10)),
        submit_calls=draw(st.integers(1, 3)),
        collect_calls=draw(st.integers(1, 3)),
    )
    failures = draw(st.integers(0, 20))
    taken_at = draw(past)
    record = LookRecord(
        taken_at=taken_at, complete=not failures, failures=failures, completed_at=draw(maybe | past)
    )  # fmt: skip
    view = View(
        look=draw(st.sampled_from([None, record])),
        throttled_until=draw(maybe | moments),
        calls_left=draw(st.integers(-5, 100)),
        busy=frozenset(draw(st.sets(st.sampled_from([r.id for r in rows])))),
        looking=draw(st.booleans()),
        retired={r.key: draw(past) for r in rows if draw(st.booleans())},
    )
    return rows, limits, abilities, view


def _touched(action: Action) -> set[UUID]:
    return {r.id for r in action.rows} if isinstance(action, Look) else {action.row.id}


@given(houses())
def test_only_what_is_neither_in_flight_nor_in_doubt_is_submitted(house: House) -> None:
    rows, limits, abilities, view = house
    submits = [a.row for a in plan(rows, NOW, limits, abilities, view).actions if isinstance(a, Submit)]
    assert all(r.state is S.QUEUED and r.id not in view.busy for r in submits)
    assert len({r.id for r in submits}) == len(submits)


@given(houses())
def test_limits_are_kept(house: House) -> None:
    rows, limits, abilities, view = house
    actions = plan(rows, NOW, limits, abilities, view).actions
    submits = sum(isinstance(a, Submit) for a in actions)
    occupied = sum(r.state in OCCUPYING or (r.state is S.QUEUED and r.id in view.busy) for r in rows)
    assert submits == 0 or submits + occupied <= limits.max_live
    cost = {Submit: abilities.submit_calls, Collect: abilities.collect_calls, Cancel: 1}
    assert sum(cost.get(type(a), 0) for a in actions) <= max(0, view.calls_left)
    if view.throttled_until is not None and view.throttled_until > NOW:
        assert all(isinstance(a, Admit | Doubt | Drop) for a in actions), "no call before the remote's patience is over"


@given(houses())
def test_every_row_has_an_action_or_a_time_to_come(house: House) -> None:
    rows, limits, abilities, view = house
    result = plan(rows, NOW, limits, abilities, view)
    touched = set().union(*(_touched(a) for a in result.actions))
    assert {r.id for r in rows} == touched | result.waits.keys()
    assert all(at > NOW for at in result.waits.values())


@given(houses())
def test_a_look_covers_everything_live_or_in_doubt(house: House) -> None:
    rows, limits, abilities, view = house
    looks = [a for a in plan(rows, NOW, limits, abilities, view).actions if isinstance(a, Look)]
    assert len(looks) <= (0 if view.looking else 1)
    for look in looks:
        assert {r.id for r in look.rows} == {r.id for r in rows if r.state in LIVE or r.state is S.UNCONFIRMED}


@given(houses())
def test_what_an_action_is_under_way_for_is_left_alone(house: House) -> None:
    rows, limits, abilities, view = house
    actions = plan(rows, NOW, limits, abilities, view).actions
    assert not view.busy & {a.row.id for a in actions if not isinstance(a, Look)}
