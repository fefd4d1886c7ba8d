"""What a look proves: tables, and properties over any look at any rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.connectors.base import Abilities, Entry, Intent, Limits, Match, RemoteState, Snapshot
from afield.engine.plan import decisive_at
from afield.engine.settle import Evidence, Settled, settle
from afield.model.execution import Attempt, Move, Reason, Resubmit, Tracked
from afield.model.ids import attempt_key
from afield.model.states import LIVE, ExecutionState, OutcomeOfAttempt, OutputState, allowed

S, R = ExecutionState, RemoteState
NOW = datetime(2026, 1, 2, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
LIMITS = Limits()
NAMED = Abilities(batch_look=True, cancel=True, caller_chosen_name=True)
NAMELESS = replace(NAMED, caller_chosen_name=False)
TARGET = UUID(int=1)
WORDS = {
    R.WAITING: "PENDING",
    R.RUNNING: "RUNNING",
    R.SUCCEEDED: "DONE",
    R.FAILED: "BROKEN",
    R.CANCELLED: "STOPPED",
    R.TIMED_OUT: "EXPIRED",
    R.REJECTED: "REFUSED",
    R.UNKNOWN: "PONDERING",
}


def row(state: ExecutionState, number: int = 1, *, at: datetime = LONG_AGO, **fields: object) -> Tracked:
    made = Tracked(
        id=UUID(int=number),
        target_id=TARGET,
        state=state,
        attempt=1,
        handle=f"h{number}" if state in LIVE else None,
        created_at=at,
        state_at=at,
        intent_at=at,
        submitted_at=at if state in LIVE else None,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def entry(handle: str, state: RemoteState = R.RUNNING, *, name: str | None = None, **fields: object) -> Entry:
    return replace(Entry(handle=handle, status=WORDS[state], state=state, name=name), **fields)  # type: ignore[arg-type]


def by_name(intent: Intent, entry: Entry) -> Match:
    return Match.EXACT if entry.name == intent.key else Match.NO


def possibly(intent: Intent, entry: Entry) -> Match:
    return Match.POSSIBLE


def evidence(rows: Iterable[Tracked], *entries: Entry, **fields: object) -> Evidence:
    rows = list(rows)
    doubts = [r for r in rows if r.state is S.UNCONFIRMED]
    made = Evidence(
        snapshot=Snapshot(taken_at=NOW, complete=True, entries=entries),
        asked=frozenset(r.id for r in rows),
        intents={
            r.id: Intent(execution_id=r.id, attempt=r.attempt, key=r.key, spec={}, sent_after=r.state_at)
            for r in doubts
        },
        retired={r.key: r.state_at for r in doubts},
        match=by_name,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def read(rows: Iterable[Tracked], what: Evidence, abilities: Abilities = NAMED) -> Settled:
    return settle(rows, what, NOW, LIMITS, abilities, epoch=7)


def moves(one: Tracked, *entries: Entry, abilities: Abilities = NAMED, **fields: object) -> list[Move]:
    return read([one], evidence([one], *entries, **fields), abilities).moves


def path(found: list[Move]) -> list[tuple[ExecutionState, ExecutionState]]:
    return [(move.expect, move.to) for move in found]


CUT = Snapshot(taken_at=NOW, complete=False)

# ---------------------------------------------------------------------------------------------- the remote gave an id


@pytest.mark.parametrize(
    ("before", "said", "after"),
    [
        (S.SUBMITTED, R.WAITING, S.SUBMITTED),
        (S.SUBMITTED, R.RUNNING, S.RUNNING),
        (S.SUBMITTED, R.UNKNOWN, S.SUBMITTED),
        (S.SUBMITTED, R.SUCCEEDED, S.SUCCEEDED),
        (S.SUBMITTED, R.REJECTED, S.REJECTED),
        (S.RUNNING, R.WAITING, S.RUNNING),
        (S.RUNNING, R.UNKNOWN, S.RUNNING),
        (S.RUNNING, R.SUCCEEDED, S.SUCCEEDED),
        (S.RUNNING, R.FAILED, S.FAILED),
        (S.RUNNING, R.CANCELLED, S.CANCELLED),
        (S.RUNNING, R.TIMED_OUT, S.TIMED_OUT),
    ],
)
def test_the_remotes_word_is_taken_over(before: S, said: R, after: S) -> None:
    (move,) = moves(row(before), entry("h1", said))
    assert (move.expect, move.to, move.remote_status, move.epoch) == (before, after, WORDS[said], 7)
    wanted = OutputState.PENDING if after is S.SUCCEEDED else None
    assert move.output_state is wanted


def test_the_same_word_again_is_no_news() -> None:
    seen = read([one := row(S.RUNNING, remote_status="RUNNING")], evidence([one], entry("h1")))
    assert seen.moves == []
    assert [s.execution_id for s in seen.seen] == [one.id]


def test_an_unknown_word_stays_live_and_says_so() -> None:
    (move,) = moves(row(S.RUNNING), entry("h1", R.UNKNOWN))
    assert move.reason is not None
    assert (move.to, move.reason.code) == (S.RUNNING, "unknown_remote_status")


def test_output_after_a_failure_only_where_there_is_one() -> None:
    (move,) = moves(row(S.RUNNING), entry("h1", R.FAILED), abilities=replace(NAMED, output_on_failure=True))
    assert move.output_state is OutputState.PENDING
    (move,) = moves(row(S.RUNNING), entry("h1", R.SUCCEEDED), abilities=replace(NAMED, output=False))
    assert move.output_state is None


@pytest.mark.parametrize(
    ("fields", "end", "code"),
    [
        ({"cancel_requested_at": LONG_AGO}, S.CANCELLED, "cancelled"),
        ({"deadline_at": LONG_AGO, "cancel_asked_at": LONG_AGO}, S.TIMED_OUT, "time_over"),
        ({"deadline_at": LONG_AGO}, S.CANCELLED, "cancelled_remotely"),
        ({}, S.CANCELLED, "cancelled_remotely"),
    ],
)
def test_who_cancelled_it(fields: dict[str, object], end: S, code: str) -> None:
    (move,) = moves(row(S.RUNNING, **fields), entry("h1", R.CANCELLED))
    assert move.reason is not None
    assert (move.to, move.reason.code) == (end, code)


@pytest.mark.parametrize(
    ("one", "fields", "lost"),
    [
        (row(S.RUNNING), {}, True),
        (row(S.RUNNING), {"snapshot": CUT}, False),
        (row(S.RUNNING), {"asked": frozenset()}, False),
        (row(S.RUNNING, remote_seen_at=NOW - timedelta(minutes=9)), {}, False),
        (row(S.RUNNING, remote_seen_at=NOW - timedelta(minutes=10)), {}, True),
        (row(S.SUBMITTED, at=NOW - timedelta(minutes=9)), {}, False),
    ],
)
def test_only_a_complete_and_late_look_loses(one: Tracked, fields: dict[str, object], lost: bool) -> None:
    assert path(moves(one, **fields)) == ([(one.state, S.LOST)] if lost else [])


# ---------------------------------------------------------------------------------------------- in doubt

DOUBT = row(S.UNCONFIRMED)


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (R.WAITING, [(S.UNCONFIRMED, S.SUBMITTED), (S.SUBMITTED, S.SUBMITTED)]),
        (R.RUNNING, [(S.UNCONFIRMED, S.SUBMITTED), (S.SUBMITTED, S.RUNNING)]),
        (R.SUCCEEDED, [(S.UNCONFIRMED, S.SUBMITTED), (S.SUBMITTED, S.SUCCEEDED)]),
    ],
)
def test_one_exact_match_is_adopted_and_followed(state: R, steps: list[tuple[S, S]]) -> None:
    found = moves(DOUBT, entry("x", state, name=DOUBT.key))
    assert path(found) == steps
    assert found[0].handle == "x"


def test_an_incomplete_look_adopts_too() -> None:
    shown = entry("x", name=DOUBT.key)
    assert moves(DOUBT, snapshot=replace(CUT, entries=(shown,)))[0].to is S.SUBMITTED


def test_what_somebody_holds_is_not_adopted() -> None:
    found = moves(DOUBT, entry("x", name=DOUBT.key), owners={"x": UUID(int=99)})
    assert "x" not in {move.handle for move in found}


@pytest.mark.parametrize(
    ("entries", "code"),
    [((entry("x"),), "possible_match"), ((entry("x"), entry("y")), "ambiguous")],
)
def test_what_is_only_possible_waits_for_a_person(entries: tuple[Entry, ...], code: str) -> None:
    (note,) = moves(DOUBT, *entries, match=possibly, abilities=NAMELESS)
    assert note.reason is not None
    assert (note.to, note.reason.code, note.handle) == (S.UNCONFIRMED, code, None)
    told = replace(DOUBT, reason=Reason(code))
    assert moves(told, *entries, match=possibly, abilities=NAMELESS) == [], "once is enough"


@pytest.mark.parametrize(
    ("fields", "to"),
    [
        ({}, S.QUEUED),
        ({"resubmit": Resubmit.NEVER}, S.LOST),
        ({"cancel_requested_at": LONG_AGO}, S.CANCELLED),
        ({"deadline_at": LONG_AGO}, S.TIMED_OUT),
        ({"deadline_at": NOW + timedelta(hours=1)}, S.QUEUED),
    ],
)
def test_what_is_shown_absent_goes_where_it_is_wanted(fields: dict[str, object], to: S) -> None:
    assert path(moves(replace(DOUBT, **fields))) == [(S.UNCONFIRMED, to)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"snapshot": CUT},
        {"asked": frozenset()},
        {"intents": {}},
        {"retired": {}},
        {"retired": {DOUBT.key: NOW - timedelta(minutes=9)}},
        {"snapshot": Snapshot(taken_at=LONG_AGO, complete=True)},
    ],
)
def test_nothing_less_shows_it_absent(fields: dict[str, object]) -> None:
    assert moves(DOUBT, **fields) == []


# ---------------------------------------------------------------------------------------------- late arrivals


@pytest.mark.parametrize("state", [S.QUEUED, S.LOST])
def test_a_late_arrival_is_adopted_under_its_own_attempt(state: S) -> None:
    one = row(state, attempt=2)
    late = Attempt(
        execution_id=one.id,
        number=1,
        key=attempt_key(one.id, 1),
        intent_at=LONG_AGO,
        outcome=OutcomeOfAttempt.ABSENT,
    )
    found = moves(one, entry("x", R.RUNNING, name=late.key), late=[late])
    assert (found[0].to, found[0].handle, found[0].adopted_attempt, found[0].attempt) == (S.SUBMITTED, "x", 1, 2)
    assert moves(one, entry("x", name=late.key), late=[late], owners={"x": UUID(int=99)}) == []


# ---------------------------------------------------------------------------------------------- properties

past = st.integers(0, 3600).map(lambda s: NOW - timedelta(seconds=s))
House = tuple[list[Tracked], Evidence, Abilities]


@st.composite
def houses(draw: st.DrawFn) -> House:
    rows = [
        row(
            draw(st.sampled_from([S.SUBMITTED, S.RUNNING, S.UNCONFIRMED, S.QUEUED, S.LOST])),
            number,
            at=draw(past),
            remote_seen_at=draw(st.none() | past),
            resubmit=draw(st.sampled_from(Resubmit)),
            cancel_requested_at=draw(st.none() | past),
            deadline_at=draw(st.none() | past),
        )
        for number in range(1, draw(st.integers(2, 6)))
    ]
    handles = draw(st.lists(st.sampled_from([f"h{n}" for n in range(1, 9)]), unique=True))
    names = [r.key for r in rows] + [attempt_key(r.id, 2) for r in rows] + ["stranger"]
    entries = tuple(
        entry(h, draw(st.sampled_from(RemoteState)), name=draw(st.none() | st.sampled_from(names))) for h in handles
    )
    table = {(r.id, h): draw(st.sampled_from(Match)) for r in rows for h in handles}
    named = draw(st.booleans())

    def drawn(intent: Intent, entry: Entry) -> Match:
        return by_name(intent, entry) if named else table[intent.execution_id, entry.handle]

    what = evidence(
        rows,
        *entries,
        match=drawn,
        snapshot=Snapshot(taken_at=draw(past), complete=draw(st.booleans()), entries=entries),
        asked=frozenset(draw(st.sets(st.sampled_from([r.id for r in rows])))),
        retired={r.key: draw(past) for r in rows if draw(st.booleans())},
        owners={r.handle: r.id for r in rows if r.handle} | {h: UUID(int=99) for h in handles if draw(st.booleans())},
    )
    return rows, what, NAMED if named else NAMELESS


@given(houses())
def test_only_allowed_moves_in_the_order_of_a_life(house: House) -> None:
    rows, what, abilities = house
    states = {r.id: r.state for r in rows}
    for move in read(rows, what, abilities).moves:
        assert states[move.execution_id] is move.expect
        assert allowed(move.expect, move.to)
        states[move.execution_id] = move.to


@given(houses())
def test_an_incomplete_look_shows_nothing_absent(house: House) -> None:
    rows, what, abilities = house
    cut = replace(what, snapshot=replace(what.snapshot, complete=False))
    assert not {m.to for m in read(rows, cut, abilities).moves} & {S.LOST, S.QUEUED}


@given(houses())
def test_back_to_queued_only_after_a_complete_and_late_look(house: House) -> None:
    rows, what, abilities = house
    by_id = {r.id: r for r in rows}
    for move in read(rows, what, abilities).moves:
        if move.to not in {S.QUEUED, S.LOST} or move.expect is not S.UNCONFIRMED:
            continue
        one, snapshot = by_id[move.execution_id], what.snapshot
        assert snapshot.complete
        assert one.id in what.asked
        assert snapshot.taken_at >= one.state_at + LIMITS.max_visibility_delay
        assert snapshot.taken_at >= decisive_at(one, what.retired[one.key], LIMITS)
        mine = [what.match(what.intents[one.id], e) for e in snapshot.entries if e.handle not in what.owners]
        assert set(mine) <= {Match.NO} or _taken_by_another(one, what, rows, abilities)


def _taken_by_another(one: Tracked, what: Evidence, rows: list[Tracked], abilities: Abilities) -> bool:
    """Whether every entry that could be the row's was adopted for another row of the same look."""
    adopted = {m.handle for m in read(rows, what, abilities).moves if m.handle and m.execution_id != one.id}
    mine = {e.handle for e in what.snapshot.entries if what.match(what.intents[one.id], e) is not Match.NO}
    return mine - what.owners.keys() <= adopted


@given(houses())
def test_only_single_exact_matches_that_nobody_holds_are_adopted(house: House) -> None:
    rows, what, abilities = house
    adopted = [m for m in read(rows, what, abilities).moves if m.handle is not None]
    assert len({m.handle for m in adopted}) == len(adopted), "none twice"
    for move in adopted:
        assert what.owners.get(str(move.handle), move.execution_id) == move.execution_id
        shown = next(e for e in what.snapshot.entries if e.handle == move.handle)
        assert what.match(what.intents[move.execution_id], shown) is Match.EXACT


@given(houses(), st.randoms())
def test_the_order_of_entries_changes_nothing(house: House, rng: object) -> None:
    rows, what, abilities = house
    shuffled = list(what.snapshot.entries)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    other = replace(what, snapshot=replace(what.snapshot, entries=tuple(shuffled)))
    assert read(rows, what, abilities) == read(rows, other, abilities)


@given(houses())
def test_a_word_nobody_knows_ends_nothing(house: House) -> None:
    rows, what, abilities = house
    strange = tuple(replace(e, state=R.UNKNOWN) for e in what.snapshot.entries)
    shown = {e.handle for e in strange}
    found = read(rows, replace(what, snapshot=replace(what.snapshot, entries=strange)), abilities).moves
    ended = {m.execution_id for m in found if m.to not in LIVE and m.to is not m.expect}
    assert not {r.id for r in rows if r.handle in shown} & ended
