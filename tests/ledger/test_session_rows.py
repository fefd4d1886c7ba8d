"""Steps through JSON and back, whatever is in them; and which sessions a sweep finds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import S, World, at

from afield.errors import InvalidInputError
from afield.ledger import session_json
from afield.ledger.encode import clean_text
from afield.ledger.postgres import PostgresLedger
from afield.ledger.sessions import SessionFilter, Sessions
from afield.model.execution import Reason
from afield.model.ids import uuid7
from afield.model.session import (
    SESSION_KEY,
    Approval,
    ApprovalRule,
    NewSession,
    NewStep,
    OnFail,
    Phase,
    SessionChange,
    SessionState,
    Step,
    StepKind,
    StepState,
    Undo,
    Work,
)
from afield.model.target import DEFAULT_TENANT

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # with NUL and halves of surrogate pairs
TEXT = ANY_TEXT.map(clean_text)
TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
RULES = st.builds(
    ApprovalRule,
    needed=st.integers(0, 9),
    other_than_starter=st.booleans(),
    valid_for=st.sampled_from([timedelta(0), timedelta(seconds=0.25), timedelta(days=400), timedelta.max]),
)
WORK = st.builds(Work, spec=st.dictionaries(TEXT, JSON, max_size=3), text=TEXT, timeout_s=st.none() | st.floats(0, 1e6))
STEPS = st.builds(
    Step,
    name=TEXT,
    kind=st.sampled_from(StepKind),
    phase=st.sampled_from(Phase),
    lane=st.integers(0, 99),
    target_id=st.none() | st.uuids(),
    work=WORK,
    expected_output=st.none() | TEXT,
    on_fail=st.sampled_from(OnFail),
    retries=st.integers(0, 9),
    rule=RULES,
    undo=st.none() | st.builds(Undo, work=WORK, on_fail=st.sampled_from(OnFail), rule=RULES),
    severity=TEXT,
    number=st.integers(1, 99),
    state=st.sampled_from(StepState),
    undoes=st.none() | st.integers(1, 99),
    attempt=st.integers(0, 9),
    execution_id=st.none() | st.uuids(),
    approvals=st.lists(
        st.builds(
            Approval, by=TEXT, approved=st.booleans(), digest=TEXT, at=st.datetimes(timezones=st.just(UTC)), note=TEXT
        ),
        max_size=2,
    ).map(tuple),
    asked_at=TIMES,
    exit_code=st.none() | st.integers(-(2**31), 2**32),
    stdout=ANY_TEXT,
    stderr=ANY_TEXT,
    reason=st.none() | st.builds(Reason, ANY_TEXT, ANY_TEXT),
    remote_id=st.none() | ANY_TEXT,
    started_at=TIMES,
    finished_at=TIMES,
)


def clean(step: Step) -> Step:
    """What a remote said, as the database can hold it."""
    reason = Reason(clean_text(step.reason.code), clean_text(step.reason.text)) if step.reason else None
    remote_id = clean_text(step.remote_id) if step.remote_id is not None else None
    said = {"stdout": clean_text(step.stdout), "stderr": clean_text(step.stderr)}
    return replace(step, reason=reason, remote_id=remote_id, **said)  # type: ignore[arg-type]


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_a_step_through_json_is_the_same_step(step: Step) -> None:
    text = session_json.steps_json((step,))
    [item] = orjson.loads(text)["items"]
    assert "\\u0000" not in text.replace("\\\\", "")
    row = (item["number"], item["state"], item["attempt"], step.target_id, step.execution_id, item["body"])
    assert session_json.step(row) == clean(step)
    assert (item["target_id"], item["execution_id"]) == (
        str(step.target_id) if step.target_id else None,
        str(step.execution_id) if step.execution_id else None,
    )


RUNNING: tuple[tuple[dict[str, Any], dict[str, Any], bool], ...] = (
    # what of the session and of the step is written; whether a sweep finds it while its execution is submitted
    ({}, {"remote_id": "h"}, False),
    ({}, {}, True),  # its handle is news
    ({}, {"remote_id": "h", "reason": Reason("odd", "")}, True),  # its reason is gone
    ({"cancel_requested_at": at(2)}, {"remote_id": "h"}, True),  # nobody has told it to stop
    ({"cancel_requested_at": at(2)}, {"remote_id": "h", "phase": Phase.ROLLBACK}, True),
    (
        {"cancel_requested_at": at(2), "rollback_requested_at": at(3)},
        {"remote_id": "h", "phase": Phase.ROLLBACK},
        False,
    ),
)


@pytest.mark.parametrize(("of_session", "of_step", "found"), RUNNING)
async def test_a_sweep_finds_what_was_missed(
    ledger: PostgresLedger, postgres_world: World, of_session: dict[str, Any], of_step: dict[str, Any], found: bool
) -> None:
    sessions = Sessions(ledger.database)
    new = NewStep(name="a", target_id=postgres_world.target.id)
    asked = NewSession(tenant_id=DEFAULT_TENANT, kind="test", title="t", started_by="ada", steps=(new,))
    session, _ = await sessions.create(asked, at(0))
    [step] = await sessions.steps(session.id)
    row = await postgres_world.execution(id=uuid7(), labels={SESSION_KEY: str(session.id)})
    row = await postgres_world.step(row, S.SUBMITTING)
    await postgres_world.step(row, S.SUBMITTED, handle="h")
    running = replace(step, state=StepState.RUNNING, attempt=1, execution_id=row.id, **of_step)
    going = replace(session, state=SessionState.IN_PROGRESS, next_at=None, **of_session)
    assert await sessions.write(SessionChange(session=going, steps=(running,), at=at(4)))
    assert await sessions.due(at(9)) == ([session.id] if found else [])
    await ledger.request_cancel(row.id, "session", at(5))
    if of_session:
        assert await sessions.due(at(9)) == [], "it was told"


async def test_who_waits_for_a_person_and_what_is_put_away(ledger: PostgresLedger) -> None:
    sessions, here = Sessions(ledger.database), SessionFilter(tenant_id=DEFAULT_TENANT)
    asked = NewSession(
        tenant_id=DEFAULT_TENANT, kind="test", title="t", started_by="ada", steps=(NewStep(name="a"), NewStep(name="b"))
    )
    made = [(await sessions.create(asked, at(0)))[0] for _ in range(2)]
    for session in made:
        [_, second] = await sessions.steps(session.id)
        asking = replace(second, state=StepState.WAITING_APPROVAL, asked_at=at(1))
        await sessions.write(SessionChange(session=session, steps=(asking,), at=at(1)))
    waiting = [(session.id, step.number) for session, step in await sessions.waiting(DEFAULT_TENANT)]
    assert waiting == [(session.id, 2) for session in made]
    with pytest.raises(InvalidInputError):
        await sessions.archive(made[0].id, DEFAULT_TENANT, at(2))
    over = replace(await sessions.session(made[0].id), state=SessionState.ABANDONED, next_at=None)
    assert await sessions.write(SessionChange(session=over, at=at(2)))
    await sessions.archive(made[0].id, DEFAULT_TENANT, at(3))
    assert [session.id for session, _ in await sessions.waiting(DEFAULT_TENANT)] == [made[1].id]
    assert [session.id for session in await sessions.sessions(here)] == [made[1].id]
    assert len(await sessions.sessions(replace(here, archived=True))) == 2
