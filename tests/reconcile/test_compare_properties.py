"""What holds for every comparison, whatever is on the two sides."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from reconcile_world import DAY, LIMITS, NOW, TARGET, TableRemote, entry, execution_id, intent, key, match, sides

from afield.connectors.base import Entry, Intent, RemoteState
from afield.ledger import rules
from afield.model.execution import Execution, Move, Reason, Verdict
from afield.model.finding import Finding, FindingKind, RepairKind
from afield.model.states import FINAL, IN_DOUBT, LIVE, ExecutionState, OutputState
from afield.reconcile import moves
from afield.reconcile.compare import compare
from afield.reconcile.evidence import shown
from afield.reconcile.moves import Hand
from afield.reconcile.repair import PlannedRepair, plan_repairs
from afield.reconcile.sides import Sides, Why

S = ExecutionState
ages = st.sampled_from([timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=2), 3 * DAY])
often = settings(max_examples=120, deadline=None)
_WITHOUT_ID = IN_DOUBT | {S.QUEUED}


@st.composite
def rows(draw: st.DrawFn, number: int) -> Execution:
    state = draw(st.sampled_from(ExecutionState))
    attempt = draw(st.integers(0 if state is S.QUEUED else 1, 3))
    has_id = state not in _WITHOUT_ID and draw(st.integers(0, 9)) > 0
    if not has_id and draw(st.integers(0, 4)) == 0:
        attempt = 0
    since = NOW - draw(ages)
    return Execution(
        id=execution_id(number),
        target_id=TARGET,
        tenant_id=UUID(int=2),
        spec={"what": draw(st.sampled_from(["q", "p"]))},
        state=state,
        attempt=attempt,
        handle=f"h{number}" if has_id else None,
        created_at=since,
        state_at=since,
        updated_at=since,
        intent_at=since if attempt else None,
        submitted_at=since if has_id else None,
        remote_seen_at=since if has_id and draw(st.booleans()) else None,
        cancel_requested_at=draw(st.sampled_from([None, None, since])),
        output_state=draw(st.sampled_from(OutputState)) if state in FINAL else OutputState.NONE,
        reason=draw(st.sampled_from([None, None, Reason("because"), Reason("legacy")])),
    )


@st.composite
def entries(draw: st.DrawFn, handle: str, everyone: list[Execution]) -> Entry:
    state = draw(st.sampled_from(RemoteState))
    created = NOW - draw(ages)
    shape = draw(st.integers(0, 3))
    if shape == 0 and everyone:
        one = draw(st.sampled_from(everyone))
        return entry(handle, state, created_at=created, name=key(one.id.int - 0x1000, draw(st.integers(1, 3))))
    if shape == 1:
        return entry(handle, state, created_at=created, echo={"what": draw(st.sampled_from(["q", "p"]))})
    if shape == 2:
        return entry(handle, state, created_at=created, name=key(draw(st.integers(50, 60))))
    return entry(handle, state, created_at=created)


@st.composite
def worlds(draw: st.DrawFn) -> Sides:
    everyone = [draw(rows(number)) for number in range(draw(st.integers(0, 6)))]
    shown_ids = [r.handle for r in everyone if r.handle and draw(st.booleans())]
    handles = [*shown_ids, *(f"x{n}" for n in range(draw(st.integers(0, 5))))]
    there = [draw(entries(handle, everyone)) for handle in handles]
    held = {f"x{n}": execution_id(draw(st.sampled_from([0, 1, 90]))) for n in range(5) if draw(st.integers(0, 5)) == 0}
    complete = draw(st.booleans())
    made = sides(everyone, there, intents=_intents(draw, everyone), complete=complete)
    everyone_holds = {r.handle: r.id for r in everyone if r.handle}
    return replace(made, owners=held | everyone_holds)


def _intents(draw: st.DrawFn, everyone: list[Execution]) -> list[Intent]:
    made: list[Intent] = []
    for r in everyone:
        for number in range(1, r.attempt + 1):
            current = number == r.attempt and r.state in IN_DOUBT
            if current or draw(st.booleans()):
                made.append(replace(intent(r.id.int - 0x1000, number), spec=r.spec))
    return made


def _subjects(findings: list[Finding]) -> tuple[Counter[UUID], Counter[str]]:
    of_rows = Counter(f.execution_id for f in findings if f.execution_id)
    of_entries = Counter(f.handle for f in findings if f.handle and "status" in f.remote)
    return of_rows, of_entries


@given(worlds())
@often
def test_total(world: Sides) -> None:
    """Each row in exactly one finding; each entry in exactly one, unless it is old, unasked for and nobody's."""
    of_rows, of_entries = _subjects(compare(world))
    assert of_rows == Counter(r.id for r in world.rows)
    there = Counter(e.handle for e in world.snapshot.entries)
    assert of_entries <= there
    left_out = {e.handle: e for e in world.snapshot.entries if e.handle in there - of_entries}
    assert not any(world.in_scope(e) or e.handle in world.owners for e in left_out.values())


@given(worlds())
@often
def test_an_incomplete_look_claims_no_absence(world: Sides) -> None:
    world = replace(world, snapshot=replace(world.snapshot, complete=False))
    for finding in compare(world):
        assert finding.kind not in {FindingKind.LOCAL_ONLY, FindingKind.REMOTE_ONLY, FindingKind.AMBIGUOUS}
        assert finding.why != Why.ABSENT
        offered = {repair.kind for repair in finding.repairs}
        assert not offered & {RepairKind.RESUBMIT, RepairKind.ADOPT, RepairKind.MARK_LEGACY}


@given(worlds())
@often
def test_a_resubmission_is_offered_only_for_what_was_shown_absent(world: Sides) -> None:
    rows_by_id = {r.id: r for r in world.rows}
    for finding in compare(world):
        if not any(repair.kind is RepairKind.RESUBMIT for repair in finding.repairs):
            continue
        assert finding.execution_id is not None
        r = rows_by_id[finding.execution_id]
        late_enough = world.snapshot.taken_at >= r.state_at + LIMITS.max_visibility_delay
        assert world.snapshot.complete
        assert r.state is S.LOST or late_enough
        stopped = {RemoteState.CANCELLED, RemoteState.REJECTED}
        there = [e for e in world.snapshot.entries if e.state not in stopped]
        there = [e for e in there if world.owners.get(e.handle, r.id) == r.id]
        assert not any(e.handle == r.handle or e.name == r.key for e in there)


@given(worlds(), st.randoms(use_true_random=False))
@often
def test_order_does_not_matter(world: Sides, chance: random.Random) -> None:
    def shuffled(items: object) -> tuple[object, ...]:
        copy = list(items)  # type: ignore[call-overload]
        chance.shuffle(copy)
        return tuple(copy)

    other = replace(
        world,
        rows=shuffled(world.rows),
        intents=shuffled(world.intents),
        snapshot=replace(world.snapshot, entries=shuffled(world.snapshot.entries)),
    )
    assert compare(other) == compare(world)


@given(worlds())
@often
def test_never_adopts_what_somebody_holds_nor_one_thing_twice(world: Sides) -> None:
    adopted: list[str | None] = []
    for planned in plan_repairs(compare(world)):
        if planned.repair.kind is RepairKind.ADOPT:
            holder = world.owners.get(planned.repair.handle or "", planned.finding.execution_id)
            assert holder == planned.finding.execution_id
            adopted.append(planned.repair.handle)
    assert len(adopted) == len(set(adopted))


@given(worlds())
@often
def test_automatic_repairs_settle_what_they_repair(world: Sides) -> None:
    """Their moves are all allowed, and the next comparison finds nothing more to repair by itself."""
    repaired = _repaired(world, plan_repairs(compare(world)))
    assert plan_repairs(compare(repaired)) == []


def _repaired(world: Sides, planned: list[PlannedRepair]) -> Sides:
    rows_by_id = {r.id: r for r in world.rows if isinstance(r, Execution)}
    hand = Hand(actor="test", at=NOW + timedelta(seconds=1), abilities=TableRemote.abilities)
    owners = dict(world.owners)
    for one in planned:
        assert one.finding.execution_id is not None
        for move in _moves(rows_by_id[one.finding.execution_id], one, hand):
            verdict, after = rules.apply_move(rows_by_id[move.execution_id], move, epoch=0)
            assert verdict is Verdict.APPLIED, (verdict, move)
            rows_by_id[after.id] = after
            owners |= {move.handle: after.id} if move.handle else {}
    later = NOW + timedelta(seconds=2)
    return replace(
        world,
        rows=tuple(rows_by_id.values()),
        owners=owners,
        now=later,
        snapshot=replace(world.snapshot, taken_at=later),
    )


def _moves(r: Execution, planned: PlannedRepair, hand: Hand) -> list[Move]:
    seen = shown(planned.finding, planned.repair.handle)
    if planned.repair.kind is RepairKind.MARK_LEGACY:
        return moves.mark_legacy(r, hand)
    assert seen is not None
    if planned.repair.kind is RepairKind.ADOPT:
        return moves.adopt(r, seen, None, hand)
    return moves.sync(r, seen, hand)


@given(worlds())
@often
def test_an_automatic_repair_neither_starts_nor_stops_nor_gives_up(world: Sides) -> None:
    for planned in plan_repairs(compare(world)):
        assert planned.repair.kind not in {RepairKind.RESUBMIT, RepairKind.CANCEL_REMOTE, RepairKind.IGNORE}
        if planned.repair.kind is RepairKind.MARK_LEGACY:
            assert planned.finding.local["attempt"] == 0


@given(worlds())
@often
def test_the_explanation_fits_the_kind(world: Sides) -> None:
    live = {r.id for r in world.rows if r.state in LIVE}
    for finding in compare(world):
        assert finding.explanation
        if finding.kind is FindingKind.MATCHED:
            assert not finding.repairs
        if finding.why == Why.LIVE_THERE:
            assert finding.execution_id not in live


def test_the_matcher_of_this_world_can_say_all_three() -> None:
    """Or the properties above would say little."""
    verdicts = {
        match(intent(1), entry("a", name=key(1))),
        match(intent(1), entry("a", echo={"what": "q"})),
        match(intent(1), entry("a")),
    }
    assert len(verdicts) == 3
