"""The postgres connector at a real server: exactly once, read only, and what is told of every end."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from postgres_world import MARK, Target, ended, known, new_query
from pydantic import ValidationError

from afield.connectors.base import (
    Accepted,
    Cancellation,
    CheckVerdict,
    CollectError,
    Intent,
    LookQuery,
    NotSent,
    RemoteState,
)
from afield.connectors.postgres.connector import PostgresConnector
from afield.connectors.postgres.rows import distinct, result_of
from afield.connectors.postgres.spec import PostgresSpec, first_word
from afield.errors import CredentialError
from afield.model.jsontypes import JsonObject
from afield.testing.artifacts import MemoryArtifacts


async def _end(connector: PostgresConnector, intent: Intent) -> tuple[RemoteState, str]:
    """How it ends, and the code of the reason."""
    assert isinstance(await connector.submit(intent), Accepted)
    (entry,) = (await ended(connector, intent)).entries
    return entry.state, entry.reason.code if entry.reason else ""


async def _journal(target: Target) -> int:
    return int((await target.ask("select count(*) from journal"))[0][0])


async def _running(target: Target, intent: Intent) -> None:
    """Wait until the server shows the query as active."""
    query = f"select 1 from pg_stat_activity where application_name = '{intent.key}' and query like '%pg_sleep%'"
    while not await target.ask(f"{query} and state = 'active'"):
        await asyncio.sleep(0.01)


# --------------------------------------------------------------------------------------- outputs


async def test_rows_are_kept_as_json_lines(connector: PostgresConnector) -> None:
    artifacts = MemoryArtifacts()
    query = "select n, n * 1.5 as x, %(who)s as who, null as x, '\\x01ff'::bytea as raw from generate_series(1, 5) n"
    intent = new_query(query, read_only=True, parameters={"who": "O'Neil %"}, max_rows=2)
    assert await _end(connector, intent) == (RemoteState.SUCCEEDED, "")
    output = await connector.collect(intent.key, artifacts.sink("out"))
    lines = [orjson.loads(line) for line in artifacts.stored["out"].splitlines()]
    assert lines == [
        {"n": 1, "x": "1.5", "who": "O'Neil %", "x_2": None, "raw": "01ff"},
        {"n": 2, "x": "3.0", "who": "O'Neil %", "x_2": None, "raw": "01ff"},
    ]
    assert output.detail == {"rows": 5, "kept": 2, "cut": True}
    assert output.columns == ("n", "x", "who", "x_2", "raw")


def test_a_result_is_cut_by_its_size_too() -> None:
    result = result_of([("x" * 5_000_000,)] * 3, ["a"], 100)
    assert (result.rows, result.kept) == (3, 1)
    assert distinct(["a", "a", "a_2", "a"]) == ("a", "a_2", "a_2_2", "a_3")


async def test_a_change_without_rows_tells_how_many(connector: PostgresConnector, target: Target) -> None:
    intent = new_query("insert into journal select 'x' from generate_series(1, 3)", expect_rows=3)
    assert await _end(connector, intent) == (RemoteState.SUCCEEDED, "")
    output = await connector.collect(intent.key, MemoryArtifacts().sink("out"))
    assert (output.detail["rows"], output.size, await _journal(target)) == (3, 0, 3)


# --------------------------------------------------------------------------------------- ends


@pytest.mark.parametrize(
    ("query", "more", "code"),
    [
        ("selekt", {}, "42601"),
        (MARK, {"read_only": True}, "25006"),
        (MARK, {"expect_rows": 2}, "rows_not_expected"),
        (f"{MARK}; select 1", {}, "42601"),
        ("/* /* */ */ commit", {}, "left_transaction"),
        ("select set_config('transaction_read_only', 'off', false)", {"read_only": True}, "25001"),
        ("select %(nobody)s", {"parameters": {"somebody": 1}}, "query_failed"),
        ("do $$ begin insert into journal values ('x'); commit; end $$", {}, "2D000"),
    ],
)
async def test_what_fails_leaves_nothing(
    connector: PostgresConnector, target: Target, query: str, more: JsonObject, code: str
) -> None:
    assert await _end(connector, new_query(query, **more)) == (RemoteState.FAILED, code)
    assert await _journal(target) == 0


async def test_a_time_out_is_the_servers(connector: PostgresConnector, target: Target) -> None:
    slow = new_query(f"with made as ({MARK}) select pg_sleep(600) from made", timeout_s=0.2)
    assert await _end(connector, slow) == (RemoteState.TIMED_OUT, "time_over")
    assert await _journal(target) == 0


async def test_a_cancel_reaches_a_query_of_another_process(connector: PostgresConnector, target: Target) -> None:
    intent = new_query("select pg_sleep(600)")
    await connector.submit(intent)
    await _running(target, intent)
    other = await PostgresConnector.open(target.context())
    assert await other.cancel(intent.key) is Cancellation.ASKED
    (entry,) = (await ended(other, intent)).entries
    assert entry.state is RemoteState.CANCELLED
    assert await other.cancel(intent.key) is Cancellation.TOO_LATE
    await other.close()


# --------------------------------------------------------------------------------------- exactly once


async def test_a_connection_that_breaks_undoes_all(connector: PostgresConnector, target: Target) -> None:
    intent = new_query(f"with made as ({MARK}) select pg_sleep(600) from made")
    await connector.submit(intent)
    await _running(target, intent)
    assert not await connector.retire(intent), "what runs cannot be called back"
    await target.ask(f"select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{intent.key}'")
    (entry,) = (await ended(connector, intent)).entries
    assert (entry.state, entry.reason.code if entry.reason else "") == (RemoteState.FAILED, "rolled_back")
    assert await _journal(target) == 0
    doubted = await connector.look(LookQuery(doubts=(intent,)))
    assert (doubted.complete, doubted.entries) == (True, ()), "an attempt in doubt that left nothing is absent"
    assert await connector.retire(intent)


async def test_a_retired_attempt_does_not_run(connector: PostgresConnector, target: Target) -> None:
    intent = new_query(MARK)
    assert await connector.retire(intent)
    assert isinstance(await connector.submit(intent), NotSent)
    assert (await connector.look(LookQuery(doubts=(intent,)))).entries == ()
    assert await _journal(target) == 0


async def test_a_finished_attempt_is_not_retired(connector: PostgresConnector, target: Target) -> None:
    intent = new_query(MARK)
    await _end(connector, intent)
    assert not await connector.retire(intent)
    assert isinstance(await connector.submit(intent), Accepted)
    await connector.release(intent)
    assert await _journal(target) == 1
    with pytest.raises(CollectError) as caught:
        await connector.collect(intent.key, MemoryArtifacts().sink("out"))
    assert caught.value.final


async def test_a_look_with_since_shows_all(connector: PostgresConnector) -> None:
    one, other = new_query(MARK), new_query("select 1", read_only=True)
    await _end(connector, one)
    await _end(connector, other)
    snapshot = await connector.look(LookQuery(since=one.sent_after))
    assert {entry.name for entry in snapshot.entries} == {one.key, other.key}


async def test_a_table_that_is_gone_proves_nothing(connector: PostgresConnector, target: Target) -> None:
    intent = new_query(MARK)
    assert (await connector.look(LookQuery(doubts=(intent,)))).complete, "nothing was ever submitted"
    await _end(connector, intent)
    await target.ask("drop table steps.afield_attempt")
    snapshot = await connector.look(known(intent))
    assert not snapshot.complete
    assert snapshot.error is not None


# --------------------------------------------------------------------------------------- who gets in


async def test_a_server_that_is_away_means_not_sent(target: Target) -> None:
    connector = await PostgresConnector.open(target.context(host="127.0.0.1", port=1))
    answer = await connector.submit(new_query(MARK))
    assert isinstance(answer, NotSent)
    assert answer.reason.code == "no_connection"
    assert not (await connector.look(LookQuery(doubts=(new_query(MARK),)))).complete
    await connector.close()


async def test_an_error_shows_no_password(target: Target) -> None:
    await target.ask(f"alter role {target.user} nologin")
    connector = await PostgresConnector.open(target.context())
    with pytest.raises(CredentialError) as caught:
        await connector.submit(new_query(MARK))
    assert "sesame" not in str(caught.value)


# --------------------------------------------------------------------------------------- input


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("select 1", "select"),
        ("  -- note\n /* a * b */ COMMIT", "commit"),
        ("(select 1)", ""),
        ("-- only", ""),
    ],
)
def test_the_first_word(query: str, word: str) -> None:
    assert first_word(query) == word


@pytest.mark.parametrize(
    "bad",
    [
        {"query": "BEGIN"},
        {"query": "set role admin"},
        {"query": "copy journal to stdout"},
        {"query": "select 1\0"},
        {"parameters": ["\0"]},
        {"max_rows": 10_001},
        {"timeout_s": 0},
    ],
)
def test_what_cannot_be_a_step_is_refused(bad: JsonObject) -> None:
    with pytest.raises(ValidationError):
        PostgresSpec.model_validate({"query": "select 1"} | bad)


# --------------------------------------------------------------------------------------- diagnosing


async def test_the_ladder(target: Target) -> None:
    async def climb(**address: Any) -> dict[str, CheckVerdict]:
        connector = await PostgresConnector.open(target.context(**address))
        try:
            return {check.name: (await check.probe()).verdict for check in connector.ladder()}
        finally:
            await connector.close()

    ok, fail = CheckVerdict.OK, CheckVerdict.FAIL
    assert await climb() == dict.fromkeys(["login", "table", "room", "clock"], ok)
    assert (await target.ask("select to_regclass('steps.afield_attempt')"))[0][0] is None, "a diagnosis changes nothing"
    await target.ask(f"revoke create on database {target.database} from {target.user}")
    assert (await climb())["table"] is fail
    assert (await climb(host="127.0.0.1", port=1))["login"] is fail
