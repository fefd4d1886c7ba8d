"""What is kept of a comparison is what was compared."""

from __future__ import annotations

from datetime import UTC

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_world import Bench

from afield.model.execution import Execution, Reason, Resubmit
from afield.model.finding import Finding, FindingKind, Repair, RepairKind, Severity
from afield.model.states import ExecutionState, OutputState
from afield.reconcile.scan import Looked, Scan
from afield.reconcile.scan_json import light, scan_from_json, scan_to_json

text = st.text(st.characters(codec="utf-8"), max_size=8)
ids = st.uuids()
times = st.datetimes(timezones=st.just(UTC))
numbers = st.integers(-(2**53), 2**53)
json = st.recursive(
    st.none() | st.booleans() | numbers | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(text, json, max_size=3)
maybe_text, maybe_time = st.none() | text, st.none() | times

repairs = st.builds(Repair, kind=st.sampled_from(RepairKind), risk=text, handle=maybe_text)
findings = st.builds(
    Finding,
    kind=st.sampled_from(FindingKind),
    severity=st.sampled_from(Severity),
    target_id=ids,
    explanation=text,
    execution_id=st.none() | ids,
    handle=maybe_text,
    why=text,
    local=objects,
    remote=objects,
    repairs=st.lists(repairs, max_size=2).map(tuple),
)
executions = st.builds(
    Execution,
    id=ids,
    target_id=ids,
    tenant_id=ids,
    state=st.sampled_from(ExecutionState),
    attempt=st.integers(0, 9),
    handle=maybe_text,
    remote_status=maybe_text,
    remote_seen_at=maybe_time,
    resubmit=st.sampled_from(Resubmit),
    created_at=times,
    state_at=times,
    updated_at=times,
    deadline_at=maybe_time,
    timeout_s=st.none() | st.floats(0, 1e9),
    output_state=st.sampled_from(OutputState),
    reason=st.none() | st.builds(Reason, code=text, text=text),
    spec=objects,
    labels=st.dictionaries(text, text, max_size=2),
    output=st.none() | objects,
)
looked = st.builds(
    Looked,
    complete=st.booleans(),
    taken_at=times,
    since=times,
    entries=st.integers(0, 9),
    calls=st.integers(0, 9),
    error=maybe_text,
)
scans = st.builds(
    Scan,
    target_id=ids,
    findings=st.lists(findings, max_size=3).map(tuple),
    looked=looked,
    executions=st.lists(executions, max_size=2).map(lambda rows: {row.id: row for row in rows}),
)


@given(scans)
def test_what_is_read_is_what_was_written(scanned: Scan) -> None:
    assert scan_from_json(orjson.loads(orjson.dumps(scan_to_json(scanned)))) == light(scanned)


async def test_a_real_comparison(bench: Bench) -> None:
    await bench.add(ExecutionState.RUNNING, handle="h")
    await bench.add(ExecutionState.UNCONFIRMED)
    scanned = await bench.scan()
    assert scanned.needs_attention
    assert scan_from_json(scan_to_json(scanned)) == light(scanned)
    assert light(scanned).findings == scanned.findings


@pytest.mark.parametrize("value", [{}, {"target_id": "x"}, {"target_id": None, "findings": 1}])
def test_what_another_version_wrote_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no comparison|badly formed"):
        scan_from_json(value)  # type: ignore[arg-type]
