"""Sessions under any history: only allowed moves, nothing begins twice or too early, and in the end there is an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from session_world import MINUTE, NOW, TENANT, World, execution_of, session_of, step

from afield.engine import control
from afield.engine.decide import decide
from afield.engine.observe import observe
from afield.errors import AfieldError
from afield.model.execution import Reason
from afield.model.session import (
    SESSION_FINAL,
    Approval,
    ApprovalRule,
    OnFail,
    Phase,
    SessionState,
    Step,
    StepKind,
    StepState,
    Undo,
    Work,
)
from afield.model.states import ExecutionState

EARLIER = NOW - MINUTE
S = SessionState
T = StepState
PEOPLE = ["ann", "Bob", "bob", "cleo", "dan"]
ENDS = [
    ExecutionState.SUCCEEDED,
    ExecutionState.SUCCEEDED,
    ExecutionState.FAILED,
    ExecutionState.TIMED_OUT,
    ExecutionState.CANCELLED,
    ExecutionState.REJECTED,
    ExecutionState.LOST,
]
VERBS = [
    *(control.pause, control.resume, control.cancel, control.rollback, control.complete, control.abandon),
    *(control.retry, control.retry, control.skip, control.edit),
]
histories = st.integers(0, 2**32).map(Random)


def any_rule(random: Random) -> ApprovalRule:
    needed = random.choice([0, 0, 0, 1, 2])
    return ApprovalRule(needed=needed, other_than_starter=random.random() < 0.3, valid_for=timedelta(hours=2))


def any_step(random: Random, number: int, lane: int, phase: Phase) -> Step:
    on_fail = random.choice([OnFail.STOP, OnFail.CONTINUE])
    undo = Undo(work=Work(text="undo"), on_fail=on_fail, rule=any_rule(random)) if random.random() < 0.6 else None
    return step(
        number,
        lane=lane,
        phase=phase,
        kind=random.choice([StepKind.RUN] * 5 + [StepKind.MANUAL, StepKind.APPROVAL]),
        on_fail=random.choice(list(OnFail)),
        retries=random.choice([0, 0, 1, 2]),
        rule=any_rule(random),
        undo=undo,
    )


def any_world(random: Random) -> World:
    steps: list[Step] = []
    for lane in range(random.randint(1, 4)):
        for place in range(random.randint(1, 5)):
            phase = Phase.PRECHECK if place == 0 and random.random() < 0.4 else Phase.STEP
            steps.append(any_step(random, len(steps) + 1, lane, phase))
    session = session_of(batch_size=random.randint(1, 3), error_budget=random.randint(0, 2))
    return World(session, steps)


def one_of(random: Random, made: World, state: StepState) -> Step | None:
    found = [one for one in made.all() if one.state is state]
    return random.choice(found) if found else None


def ends(random: Random, made: World) -> None:
    running = one_of(random, made, T.RUNNING)
    if running is None:
        return
    state = random.choice(ENDS)
    never_sent = state is ExecutionState.TIMED_OUT and random.random() < 0.3
    seen = observe(running, execution_of(running, state, handle=None if never_sent else "h"))
    assert seen is not None
    made.steps[running.number] = seen


def is_answered(random: Random, made: World) -> None:
    waiting = one_of(random, made, T.WAITING_APPROVAL)
    if waiting is not None:
        by, yes = random.choice(PEOPLE), random.random() < 0.8
        made.write(control.approve(made.session, made.all(), waiting.number, yes, by=by, now=made.now))


def is_found_out(random: Random, made: World) -> None:
    unknown = one_of(random, made, T.UNKNOWN)
    if unknown is not None:
        outcome = random.choice(["succeeded", "failed", "not_run"])
        made.write(control.resolve(made.session, made.all(), unknown.number, outcome, by="ann", now=made.now))


def somebody_meddles(random: Random, made: World) -> None:
    about: tuple[object, ...] = ()
    verb = random.choice(VERBS)
    fields: dict[str, object] = {}
    if verb is control.skip or verb is control.edit or (verb is control.retry and random.random() < 0.5):
        about = (random.choice(made.all()).number,)
    if verb is control.edit:
        fields["work"] = Work(text=f"other {random.random()}")
    if verb is control.abandon and random.random() < 0.8:
        return
    made.write(verb(made.session, made.all(), *about, by="cleo", now=made.now, **fields))  # type: ignore[operator]


def time_passes(random: Random, made: World) -> None:
    made.now += random.choice([MINUTE, timedelta(hours=3)])


EVENTS: list[Callable[[Random, World], None]] = [ends, ends, ends, is_answered, is_answered, is_found_out]


def happens(random: Random, made: World, event: Callable[[Random, World], None]) -> None:
    made.now += timedelta(seconds=random.choice([0, 1]))
    try:
        event(random, made)
    except AfieldError as error:
        assert error.hint, "an error that does not say what to do next"


def check(made: World, before: dict[int, Step]) -> None:
    """What must hold after every decision."""
    assert len(set(made.begun)) == len(made.begun), "an attempt began twice"
    active = {T.RUNNING, T.WAITING_APPROVAL}
    by_lane: dict[int, list[Step]] = {}
    for one in made.all():
        by_lane.setdefault(one.lane, []).append(one)
    assert sum(any(one.state in active for one in lane) for lane in by_lane.values()) <= made.session.batch_size
    for lane in by_lane.values():
        assert sum(one.state in active for one in lane) <= 1
    for number, one in made.steps.items():
        was = before.get(number)
        if one.state is T.RUNNING and (was is None or was.attempt != one.attempt):
            check_beginning(made, by_lane[one.lane], one)
    if made.state in {S.PAUSED, S.WAITING_APPROVAL} or made.state in SESSION_FINAL - {S.ABANDONED}:
        held = {T.RUNNING} if made.state is not S.PAUSED else set()
        assert not any(one.state in held for one in made.all())
    assert (made.session.finished_at is None) == (made.state not in SESSION_FINAL)
    assert made.last.wake_at is None or made.last.wake_at > made.now


def check_beginning(made: World, lane: list[Step], one: Step) -> None:
    """A step begins only after those before it, with its approvals, and with an id of its own."""
    ended = {T.SUCCEEDED, T.SKIPPED, T.ROLLED_BACK, T.FAILED, T.TIMED_OUT, T.CANCELLED, T.REJECTED}
    same_way = [other for other in lane if (other.undoes is None) == (one.undoes is None)]
    assert all(other.state in ended for other in same_way if other.number < one.number)
    people = {a.by.casefold() for a in one.approvals if a.approved and a.digest == one.digest}
    assert len(people - ({"ann"} if one.rule.other_than_starter else set())) >= one.rule.needed
    assert one.kind is StepKind.RUN
    assert made.session.cancel_requested_at is None or one.undoes is not None
    if one.undoes is not None:
        undone = made.steps[one.undoes]
        assert undone.ran
        later = [other for other in lane if (other.undoes or 0) > one.undoes]
        assert all(other.state is T.SUCCEEDED or other.on_fail is OnFail.CONTINUE for other in later)


@settings(max_examples=300, deadline=None)
@given(histories)
def test_any_history_keeps_the_rules(random: Random) -> None:
    made = any_world(random)
    for _ in range(random.randint(5, 60)):
        before = dict(made.steps)
        made.think()
        check(made, before)
        event = random.choice([*EVENTS, *EVENTS, time_passes, somebody_meddles])
        happens(random, made, event)
    to_the_end(random, made)


def to_the_end(random: Random, made: World) -> None:
    """Whatever happened: once what runs ends and what is asked is answered, the session ends."""
    for _ in range(400):
        before = dict(made.steps)
        made.think()
        check(made, before)
        if made.state in SESSION_FINAL:
            return
        if made.state is S.PAUSED and not any(one.state is T.UNKNOWN for one in made.all()):
            made.write(control.resume(made.session, made.all(), by="ann", now=made.now))
        for event in EVENTS:
            happens(random, made, event)
        if made.state is S.PAUSED and made.session.reason is not None and made.session.reason.code != "unknown_step":
            made.write(control.resume(made.session, made.all(), by="ann", now=made.now))
    raise AssertionError(f"it does not end: {made.session}, {made.states}")


@settings(max_examples=200, deadline=None)
@given(histories)
def test_any_rows_at_all_get_an_answer(random: Random) -> None:
    """Never raises, and answers the same twice, also for rows that no history leads to."""
    made = any_world(random)
    session = session_of(
        state=random.choice(list(S)),
        batch_size=random.randint(-1, 2),
        cancel_requested_at=random.choice([None, made.now]),
        rollback_requested_at=random.choice([None, made.now]),
    )
    steps = [wild(random, one, len(made.steps)) for one in made.all()]
    first = decide(session, steps, made.now)
    assert first == decide(session, list(reversed(steps)), made.now)
    World(session, steps).think()


def wild(random: Random, one: Step, count: int) -> Step:
    undoes = random.choice([None, None, None, random.randint(1, count + 1)])
    return replace(
        one,
        state=random.choice(list(T)),
        phase=Phase.ROLLBACK if undoes else one.phase,
        undoes=undoes,
        attempt=random.randint(0, 3),
        execution_id=random.choice([None, TENANT]),
        asked_at=random.choice([None, EARLIER]),
        approvals=(Approval(by="bob", approved=random.random() < 0.5, digest=one.digest, at=EARLIER),),
        reason=random.choice([None, Reason("not_run"), Reason("rejected"), Reason("never_sent")]),
    )
