"""The runner, with real processes: values, ends, trees of processes, and what is left when nobody was there."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from runner_world import RunnerHarness, alive, known, new_intent, seen

from afield.connectors.base import Accepted, Cancellation, CheckVerdict, CollectError, LookQuery, NotSent, Refused
from afield.connectors.base import RemoteState as State
from afield.connectors.local.connector import LocalConnector
from afield.connectors.registry import AnyConnector
from afield.connectors.runner.job import begin_program, pack
from afield.connectors.runner.spec import RunnerAddress, RunnerSpec
from afield.model.jsontypes import JsonObject

_STUBBORN = """
trap '' TERM
(trap '' TERM; while :; do sleep 60; done) &
setsid bash -c "trap '' TERM; while :; do sleep 60; done" &
env -i bash -c "trap '' TERM; echo ready; while :; do sleep 60; done" &
wait
"""


@pytest.fixture
def harness(tmp_path: Path) -> RunnerHarness:
    return RunnerHarness(LocalConnector, tmp_path)


@pytest.fixture
async def connector(harness: RunnerHarness) -> AsyncIterator[AnyConnector]:
    opened = await harness.open()
    yield opened
    await opened.close()


async def _run(connector: AnyConnector, harness: RunnerHarness, spec: JsonObject) -> tuple[Any, dict[str, Any], bytes]:
    """The entry, the detail and the output of a script that was run to its end."""
    intent = new_intent(spec)
    assert isinstance(await connector.submit(intent), Accepted)
    (entry,) = (await seen(connector, intent)).entries
    output = await connector.collect(intent.key, harness.artifacts.sink("out"))
    return entry, dict(output.detail), harness.artifacts.stored["out"]


async def _says(path: Path, text: str) -> None:
    while not path.exists() or text not in path.read_text():
        await asyncio.sleep(0.01)


async def _gone(process: int) -> None:
    while Path(f"/proc/{process}").exists():
        await asyncio.sleep(0.01)


# --------------------------------------------------------------------------------------- values and ends


async def test_a_script_gets_its_values_and_nothing_of_the_workers(
    connector: AnyConnector, harness: RunnerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFIELD_DATABASE_URL", "postgresql://secret")
    spec: JsonObject = {
        "script": 'printf "%s|" "$A" "$@"; echo "${AFIELD_DATABASE_URL-none}"; echo oops >&2; trap - INT; kill -INT $$',
        "env": {"A": "$(id) 'quoted' \n"},
        "arguments": ["a b", "", "-n", "`id`"],
    }
    entry, detail, output = await _run(connector, harness, spec)
    assert output == b"$(id) 'quoted' \n|a b||-n|`id`|none\n"
    assert (entry.state, entry.status, entry.reason.code) == (State.FAILED, "ended 130", "exit_code")
    assert (detail["exit_code"], detail["stderr"]) == (130, "oops\n")


async def test_a_script_may_bring_its_own_interpreter(connector: AnyConnector, harness: RunnerHarness) -> None:
    script = f"#!{sys.executable}\nimport sys\nprint(sys.argv[1])\nprint('x' * 5000, file=sys.stderr)\n"
    entry, detail, output = await _run(connector, harness, {"script": script, "arguments": ["one"]})
    assert (entry.state, output) == (State.SUCCEEDED, b"one\n")
    assert (len(detail["stderr"]), detail["stderr_cut"]) == (4096, True)
    assert harness.artifacts.stored[detail["stderr_artifact"]] == b"x" * 5000 + b"\n"


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=_TEXTS, arguments=st.lists(_TEXTS, max_size=3))
async def test_any_text_arrives_as_it_is(tmp_path: Path, value: str, arguments: list[str]) -> None:
    spec = RunnerSpec(script='printf "%s\\0" "$V" "$@"', env={"V": value}, arguments=tuple(arguments))
    (tmp_path / "begin").write_bytes(begin_program(spec, "sh").encode())
    (tmp_path / "script").write_bytes(spec.script.encode())
    begun = await asyncio.create_subprocess_exec("sh", tmp_path / "begin", stdout=asyncio.subprocess.PIPE)
    output, _ = await begun.communicate()
    assert output.split(b"\0")[:-1] == [text.encode() for text in (value, *arguments)]


@pytest.mark.parametrize(
    "bad",
    [
        {"script": "a\0b"},
        {"env": {"A": "\0"}},
        {"env": {"AFIELD_ATTEMPT": "mine"}},
        {"env": {"A-B": "x"}},
        {"arguments": ["x" * 100_001]},
        {"run_as": "-u root"},
    ],
)
def test_what_cannot_be_handed_over_is_refused(bad: JsonObject) -> None:
    with pytest.raises(ValidationError):
        RunnerSpec.model_validate({"script": "true"} | bad)


@pytest.mark.parametrize("folder", ["/", "~", "run", "~other/run", "", "/a\nb"])
def test_a_state_folder_is_a_folder_below_something(folder: str) -> None:
    with pytest.raises(ValidationError):
        RunnerAddress(state_dir=folder)


# --------------------------------------------------------------------------------------- stopping


async def test_a_time_out_ends_the_whole_tree_without_afield(connector: AnyConnector, harness: RunnerHarness) -> None:
    intent = new_intent({"script": _STUBBORN, "timeout_s": 0.5})
    assert isinstance(await connector.submit(intent), Accepted)
    await _says(harness.folder / "run" / intent.key / "stdout", "ready")
    (entry,) = (await seen(connector, intent)).entries
    assert (entry.state, entry.reason.code) == (State.TIMED_OUT, "time_over")
    assert alive(intent.key) == []


async def test_a_cancel_ends_the_whole_tree(connector: AnyConnector, harness: RunnerHarness) -> None:
    intent = new_intent({"script": _STUBBORN})
    await connector.submit(intent)
    await _says(harness.folder / "run" / intent.key / "stdout", "ready")
    assert len(alive(intent.key)) >= 3
    assert await connector.cancel(intent.key) is Cancellation.ASKED
    (entry,) = (await seen(connector, intent)).entries
    assert entry.state is State.CANCELLED
    assert alive(intent.key) == []
    assert await connector.cancel(intent.key) is Cancellation.TOO_LATE


async def test_an_end_of_its_own_leaves_what_the_script_started(
    connector: AnyConnector, harness: RunnerHarness
) -> None:
    entry, _, output = await _run(connector, harness, {"script": "setsid sleep 60 >/dev/null 2>&1 & echo $!"})
    assert entry.state is State.SUCCEEDED
    assert int(output) in alive(entry.handle)
    os.kill(int(output), signal.SIGKILL)


# --------------------------------------------------------------------------------------- keepers that are gone


async def test_a_keeper_that_was_killed_is_told_from_a_script_that_was(
    connector: AnyConnector, harness: RunnerHarness
) -> None:
    intent = new_intent({"script": "echo ready; exec sleep 600", "timeout_s": 20})
    await connector.submit(intent)
    folder = harness.folder / "run" / intent.key
    await _says(folder / "stdout", "ready")
    keeper = int((folder / "verdict").read_text().split()[1])
    os.kill(keeper, signal.SIGKILL)
    await _gone(keeper)
    (entry,) = (await connector.look(known(intent))).entries
    assert (entry.state, entry.status, entry.reason.code) == (State.RUNNING, "unkept", "keeper_gone")
    for process in alive(intent.key):
        os.kill(process, signal.SIGKILL)
    (entry,) = (await seen(connector, intent)).entries
    assert (entry.state, entry.reason.code) == (State.FAILED, "died_without_a_word")
    await connector.release(intent)
    assert not folder.exists()


async def test_an_unkept_script_can_be_cancelled(connector: AnyConnector, harness: RunnerHarness) -> None:
    intent = new_intent({"script": "echo ready; exec sleep 600", "timeout_s": 20})
    await connector.submit(intent)
    folder = harness.folder / "run" / intent.key
    await _says(folder / "stdout", "ready")
    keeper = int((folder / "verdict").read_text().split()[1])
    os.kill(keeper, signal.SIGKILL)
    await _gone(keeper)
    assert await connector.cancel(intent.key) is Cancellation.ASKED
    (entry,) = (await seen(connector, intent)).entries
    assert entry.state is State.CANCELLED


async def test_another_boot_means_that_nothing_of_it_runs(connector: AnyConnector, harness: RunnerHarness) -> None:
    intent = new_intent({"script": "echo ready; exec sleep 600", "timeout_s": 20})
    await connector.submit(intent)
    verdict = harness.folder / "run" / intent.key / "verdict"
    words = verdict.read_text().split()
    verdict.write_text(" ".join([*words[:3], "another-boot", *words[4:]]) + "\n")
    (entry,) = (await connector.look(known(intent))).entries
    assert entry.reason.code == "died_without_a_word"
    verdict.write_text(" ".join(words) + "\n")
    await connector.cancel(intent.key)
    await seen(connector, intent)


# --------------------------------------------------------------------------------------- never twice, never late


async def test_a_retired_attempt_can_not_begin_any_more(connector: AnyConnector, harness: RunnerHarness) -> None:
    intent = new_intent(harness.spec())
    assert await connector.retire(intent)
    assert isinstance(await connector.submit(intent), NotSent)
    snapshot = await connector.look(LookQuery(doubts=(intent,)))
    assert (snapshot.complete, snapshot.entries) == (True, ())
    assert await harness.count(intent.execution_id) == 0


async def test_what_runs_can_not_be_retired_nor_released(connector: AnyConnector) -> None:
    intent = new_intent({"script": "exec sleep 600"})
    await connector.submit(intent)
    assert not await connector.retire(intent)
    await connector.release(intent)
    assert (await connector.look(known(intent))).entries
    await connector.cancel(intent.key)
    await seen(connector, intent)


async def test_a_job_that_did_not_arrive_whole_is_not_started(
    connector: AnyConnector, harness: RunnerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = new_intent(harness.spec())
    monkeypatch.setattr(
        "afield.connectors.local.connector._feed",
        lambda stdin, payload: _half(stdin, pack(RunnerSpec.model_validate(intent.spec), "bash")),
    )
    answer = await connector.submit(intent)
    assert isinstance(answer, NotSent), answer
    assert answer.reason.code == "incomplete"
    assert await harness.count(intent.execution_id) == 0


async def _half(stdin: asyncio.StreamWriter, payload: bytes) -> None:
    stdin.write(payload[: len(payload) // 2])
    await stdin.drain()
    stdin.close()


async def test_a_state_folder_that_is_away_proves_nothing(connector: AnyConnector, harness: RunnerHarness) -> None:
    intent = new_intent(harness.spec())
    await connector.submit(intent)
    await seen(connector, intent)
    (harness.folder / "run").rename(harness.folder / "unmounted")
    snapshot = await connector.look(known(intent))
    assert not snapshot.complete
    assert snapshot.error is not None
    assert snapshot.error.code == "no_state_dir"
    with pytest.raises(CollectError) as caught:
        await connector.collect(intent.key, harness.artifacts.sink("none"))
    assert caught.value.reason.code == "output_gone"


async def test_a_look_with_since_shows_all(connector: AnyConnector, harness: RunnerHarness) -> None:
    one, other = new_intent(harness.spec()), new_intent(harness.spec())
    await connector.submit(one)
    await connector.submit(other)
    snapshot = await connector.look(LookQuery(since=one.sent_after))
    assert {entry.name for entry in snapshot.entries} == {one.key, other.key}


# --------------------------------------------------------------------------------------- another user


_SUDO = """#!/bin/sh
echo "$*" >>"{log}"
[ "$1 $2 $3" = "-n -H -u" ] && [ "$4" = other ] || {{ echo "sudo: a password is required" >&2; exit 1; }}
shift 5
exec env -i PATH="$PATH" HOME=/ "$@"
"""


async def test_another_user_is_reached_through_sudo(
    connector: AnyConnector, harness: RunnerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    sudo = harness.folder / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text(_SUDO.format(log=harness.folder / "sudo.log"))
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sudo.parent}:{os.environ['PATH']}")
    spec: JsonObject = {"script": 'echo "$A $1 $PWD"', "env": {"A": "a"}, "arguments": ["b"], "run_as": "other"}
    entry, _, output = await _run(connector, harness, spec)
    assert (entry.state, output) == (State.SUCCEEDED, b"a b /\n")
    assert not Path("/tmp", entry.handle).exists(), "what was unpacked for the other user is gone"
    refused = await connector.submit(new_intent(spec | {"run_as": "stranger"}))
    assert isinstance(refused, Refused)
    assert "a password is required" in refused.reason.text


# --------------------------------------------------------------------------------------- diagnosing


async def test_the_ladder_says_what_is_missing(harness: RunnerHarness) -> None:
    async def climb(**address: Any) -> dict[str, CheckVerdict]:
        connector = await harness.open(**address)
        return {check.name: (await check.probe()).verdict for check in connector.ladder()}

    ok, fail = CheckVerdict.OK, CheckVerdict.FAIL
    assert await climb() == dict.fromkeys(["runner", "state_dir", "space", "clock"], ok)
    assert not (harness.folder / "run").exists(), "a diagnosis changes nothing"
    assert (await climb(shell="no-such-shell"))["runner"] is fail
    assert (await climb(state_dir="/dev/null/run"))["state_dir"] is fail
