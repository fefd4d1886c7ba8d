"""The ladder of one session: for each situation the sentence a person needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from afield.connectors.base import CheckVerdict
from afield.diagnose.diagnosis import conclude
from afield.diagnose.session import RUNGS, SessionFacts, diagnose_session, waited_for
from afield.model.execution import Execution, Reason
from afield.model.session import Session, SessionState, Step, StepKind, StepState
from afield.model.states import ExecutionState
from afield.model.target import Target

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
S, T, V = SessionState, StepState, CheckVerdict
TENANT, MACHINE, RUN = UUID(int=2), UUID(int=1), UUID(int=7)
TARGET = Target(
    id=MACHINE, tenant_id=TENANT, connector="ssh", name="web-01", address={}, credential_id=UUID(int=9), created_at=NOW
)
SESSION = Session(
    id=4,
    key=UUID(int=3),
    tenant_id=TENANT,
    version=1,
    kind="runbook",
    title="Disk full on web-01",
    state=S.IN_PROGRESS,
    started_by="ada",
    created_at=NOW - 5 * MINUTE,
    updated_at=NOW - 5 * MINUTE,
)
EXECUTION = Execution(
    id=RUN,
    tenant_id=TENANT,
    target_id=MACHINE,
    spec={},
    state=ExecutionState.RUNNING,
    created_at=NOW,
    state_at=NOW,
    updated_at=NOW,
)


def step(number: int, state: StepState, **changes: object) -> Step:
    made = Step(name=f"part {number}", number=number, state=state, target_id=MACHINE)
    if state is T.RUNNING:
        made = replace(made, execution_id=RUN, attempt=1)
    return replace(made, **changes)  # type: ignore[arg-type]


def facts(*steps: Step, executions: tuple[Execution, ...] = (EXECUTION,), **changes: object) -> SessionFacts:
    return SessionFacts(
        session=replace(SESSION, **changes),  # type: ignore[arg-type]
        steps=steps,
        now=NOW,
        targets={MACHINE: TARGET},
        executions={one.id: one for one in executions},
    )


WAITING_THERE = replace(EXECUTION, state=ExecutionState.QUEUED, reason=Reason("conflict", "The VM is busy."))


@pytest.mark.parametrize(
    ("what", "verdict", "words"),
    [
        (facts(step(1, T.RUNNING)), V.OK, "Step 1 (part 1) runs"),
        (facts(), V.FAIL, "no steps"),
        (facts(step(1, T.WAITING_APPROVAL, asked_at=NOW - MINUTE)), V.WARN, "afield session approve 4 1"),
        (facts(step(1, T.WAITING_APPROVAL, kind=StepKind.MANUAL)), V.WARN, "answer it"),
        (
            facts(step(1, T.UNKNOWN, reason=Reason("lost", "It is not there.")), state=S.PAUSED),
            V.FAIL,
            "Nobody can say",
        ),
        (facts(step(1, T.RUNNING), executions=()), V.FAIL, "never recorded"),
        (facts(step(1, T.RUNNING), executions=(), updated_at=NOW), V.OK, "runs"),
        (facts(step(1, T.RUNNING), executions=(WAITING_THERE,)), V.WARN, "The VM is busy"),
        (facts(step(1, T.PENDING), next_at=NOW - 3 * MINUTE), V.FAIL, "no worker has thought about it"),
        (facts(step(1, T.PENDING), next_at=NOW), V.OK, "thought about again now"),
        (facts(step(1, T.FAILED, exit_code=3), state=S.FAILED), V.FAIL, "exit code 3"),
        (facts(step(1, T.FAILED), state=S.ROLLED_BACK), V.WARN, "failed"),
        (facts(step(1, T.SUCCEEDED), state=S.COMPLETED), V.OK, "Nothing more happens"),
        (facts(step(1, T.PENDING), state=S.PAUSED), V.OK, "until somebody resumes"),
        (facts(step(1, T.PENDING, target_id=UUID(int=99))), V.FAIL, "is not there"),
    ],
)
def test_the_sentence(what: SessionFacts, verdict: CheckVerdict, words: str) -> None:
    found = diagnose_session(what)
    assert (found.verdict, words in found.sentence) == (verdict, True), found.sentence
    assert [rung.name for rung in found.rungs] == list(RUNGS)


def test_a_target_without_a_credential_is_told() -> None:
    bare = replace(facts(step(1, T.RUNNING)), targets={MACHINE: replace(TARGET, credential_id=None)})
    assert "has no credential" in diagnose_session(bare).sentence


def test_the_execution_that_is_waited_for_explains_further() -> None:
    here = facts(step(1, T.SUCCEEDED), step(2, T.RUNNING))
    assert waited_for(here) == EXECUTION
    below = conclude("execution", [], all_well="It runs.")
    assert diagnose_session(here, below).subject == "session 4"
