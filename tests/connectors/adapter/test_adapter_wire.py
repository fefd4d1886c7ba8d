"""The adapter's bodies, both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.connectors.adapter.outcome import before, outcome
from afield.connectors.adapter.reply import NoReply, Reply
from afield.connectors.adapter.wire import (
    Run,
    UnreadableError,
    entry_of,
    parse_listing,
    parse_result,
    parse_run,
    parse_runtimes,
    run_body,
    shortened,
)
from afield.connectors.base import NO_ROOM, NotSent, Refused, RemoteState, Unknown
from afield.connectors.coding import KEPT_BYTES, CodeResult, CodeSpec, Verdict

NOW = datetime(2026, 5, 1, tzinfo=UTC)
RESULT: dict[str, Any] = {
    "verdict": "ok", "exit_code": 0, "signal": None, "stdout": "42\n", "stderr": "", "output": "42\n", "message": "",
    "wall_ms": 2.5, "cpu_ms": 1.5, "memory_bytes": 1000, "language": "python", "version": "3.12.1", "compile": None,
}  # fmt: skip
RUN: dict[str, Any] = {
    "run_id": "r1", "status": "finished", "started_at": "2026-05-01T00:00:00.000000Z",
    "finished_at": "2026-05-01T00:00:01+00:00", "result": RESULT,
}  # fmt: skip
OURS = {"x-afield-adapter": "1", "x-afield-boot": "b1"}


def reply(status: int, body: bytes = b"", **headers: str) -> Reply:
    return Reply(status, OURS | {name.replace("_", "-"): value for name, value in headers.items()}, body)


def refusal(status: int, code: str, **headers: str) -> Reply:
    return reply(status, f'{{"error":{{"code":"{code}","message":"No."}}}}'.encode(), **headers)


def nothing_foreign(_: Reply, __: datetime) -> None:
    return None


# ------------------------------------------------------------------ out


def test_what_is_not_given_is_left_out() -> None:
    spec = CodeSpec.model_validate({"language": "python", "files": [{"content": ""}]})
    assert run_body(spec, "k") == {"run_id": "k", "language": "python", "version": "*", "files": [
        {"content": "", "encoding": "utf8"}
    ]}  # fmt: skip


def test_everything_that_is_given_is_sent() -> None:
    spec = CodeSpec.model_validate(
        {
            "language": "c", "version": "12.x", "stdin": "1 2", "args": ["a"],
            "files": [{"name": "main.c", "content": "AA==", "encoding": "base64"}],
            "limits": {"wall_s": 2.0, "memory_bytes": 1 << 26}, "compile_limits": {"cpu_s": 9.0},
        }
    )  # fmt: skip
    body = run_body(spec, "k")
    assert (body["stdin"], body["args"], body["limits"]) == ("1 2", ["a"], {"wall_s": 2.0, "memory_bytes": 1 << 26})
    assert body["compile_limits"] == {"cpu_s": 9.0}
    assert body["files"] == [{"name": "main.c", "content": "AA==", "encoding": "base64"}]


# ------------------------------------------------------------------ in


def test_a_finished_run_is_read_whole() -> None:
    run = parse_run(RUN)
    assert run.over
    assert run.finished_at == NOW + timedelta(seconds=1)
    assert run.result == CodeResult(
        verdict=Verdict.OK, exit_code=0, stdout="42\n", output="42\n", wall_ms=2.5, cpu_ms=1.5, memory_bytes=1000,
        language="python", version="3.12.1",
    )  # fmt: skip


def test_no_exit_code_stays_none_and_0_stays_0() -> None:
    killed = parse_result(RESULT | {"verdict": "signal", "exit_code": None, "signal": "SIGSEGV"})
    assert killed is not None
    assert (killed.exit_code, killed.signal) == (None, "SIGSEGV")
    assert parse_run(RUN).result is not None
    assert parse_run(RUN).result.exit_code == 0


def test_a_compilation_is_read_with_the_run() -> None:
    result = parse_result(RESULT | {"verdict": "compile_error", "compile": RESULT | {"exit_code": 1}})
    assert result is not None
    assert result.compile is not None
    assert result.compile.exit_code == 1


@pytest.mark.parametrize(
    "body",
    [
        None, [], "text", {"status": 5}, {"status": "finished", "result": 7}, RUN | {"started_at": "yesterday"},
        RUN | {"started_at": "2026-05-01T00:00:00"}, RUN | {"result": RESULT | {"stdout": 5}},
    ],
)  # fmt: skip
def test_what_is_no_run_is_said_to_be_unreadable(body: Any) -> None:
    with pytest.raises(UnreadableError):
        parse_run(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*RUN, *RESULT, "runs"]), inner),
    max_leaves=12,
)


@given(body=JSON)
def test_no_body_breaks_the_reading(body: Any) -> None:
    for read in (parse_run, parse_listing, parse_runtimes):
        try:
            read(body)
        except UnreadableError:
            continue


@pytest.mark.parametrize(
    ("status", "verdict", "state", "reason"),
    [
        ("running", "", RemoteState.RUNNING, None),
        ("finished", "ok", RemoteState.SUCCEEDED, None),
        ("finished", "time_limit", RemoteState.TIMED_OUT, "time_limit"),
        ("finished", "runtime_error", RemoteState.FAILED, "runtime_error"),
        ("finished", "compile_error", RemoteState.FAILED, "compile_error"),
        ("finished", "internal_error", RemoteState.FAILED, "internal_error"),
        ("finished", "bored", RemoteState.UNKNOWN, None),
        ("stopped", "signal", RemoteState.CANCELLED, None),
        ("napping", "", RemoteState.UNKNOWN, None),
    ],
)
def test_what_a_run_means(status: str, verdict: str, state: RemoteState, reason: str | None) -> None:
    entry = entry_of(Run(run_id="r1", status=status, verdict=verdict), "s/r1")
    assert (entry.state, entry.reason and entry.reason.code, entry.name) == (state, reason, "r1")
    assert entry.status == (verdict if status == "finished" else status), "the word itself is kept"


@given(text=st.text(max_size=40), times=st.integers(0, 6000))
def test_the_start_of_a_stream_is_kept_between_two_characters(text: str, times: int) -> None:
    whole = CodeResult(verdict=Verdict.OK, stdout=text * times, compile=CodeResult(verdict=Verdict.OK, stderr=text))
    short = shortened(whole)
    assert whole.stdout.startswith(short.stdout)
    assert len(short.stdout.encode()) <= KEPT_BYTES
    assert short.cut == (short.stdout != whole.stdout) == (short is not whole)
    assert CodeResult.from_json(whole.to_json()) == whole


# ------------------------------------------------------------------ what an answer means


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (NoReply("refused", sent=False), NotSent, "no_connection"),
        (NoReply("reset"), Unknown, "no_reply"),
        (refusal(503, "busy"), NotSent, NO_ROOM),
        (refusal(429, "slow"), NotSent, "slow"),
        (refusal(400, "unknown_language"), Refused, "unknown_language"),
        (refusal(413, "too_large"), Refused, "too_large"),
        (refusal(409, "run_id_in_use"), Unknown, "run_id_in_use"),
        (refusal(500, "internal_error"), Unknown, "internal_error"),
        (reply(200, b"not json"), Unknown, "unreadable"),
        (Reply(502), Unknown, "not_the_adapter"),
        (Reply(200, {}, b'{"status":"finished"}'), Unknown, "not_the_adapter"),
    ],
)
def test_what_an_answer_to_a_submission_means(answer: Reply | NoReply, kind: type, code: str) -> None:
    told = outcome(answer, nothing_foreign, NOW)
    assert isinstance(told, kind), told
    assert not isinstance(told, Run)
    assert told.reason.code == code


def test_a_run_in_an_answer_is_a_run() -> None:
    told = outcome(reply(202, b'{"run_id":"r1","status":"running"}'), nothing_foreign, NOW)
    assert told == Run(run_id="r1", status="running")


@given(status=st.integers(100, 599), body=st.binary(max_size=30))
def test_nothing_but_a_certain_no_is_not_sent(status: int, body: bytes) -> None:
    """Of answers that nobody signed, none says that nothing ran."""
    assert isinstance(outcome(Reply(status, {}, body), nothing_foreign, NOW), Unknown)


@given(status=st.integers(100, 599), ours=st.booleans())
def test_before_code_leaves_no_answer_is_in_doubt(status: int, ours: bool) -> None:
    told = before(Reply(status, OURS if ours else {}), nothing_foreign, NOW)
    assert told is None or isinstance(told, NotSent)
    assert (told is None) == (ours and status < 500)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3), ("999999", 3600), ("Fri, 01 May 2026 00:00:10 GMT", 10), ("soon", None), ("", None)],
)
def test_patience_that_is_asked_for(text: str, seconds: float | None) -> None:
    told = refusal(503, "busy", retry_after=text).patience(NOW)
    assert (told.total_seconds() if told is not None else None) == seconds
