"""A run that is watched and talked to, through the pool's real adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from afield.clock import SystemClock
from afield.connectors.base import Intent, Known, LookQuery, Ran, Refused, RemoteState
from afield.connectors.local_pool.connector import LocalPoolConnector
from afield.connectors.talk import Typed
from afield.model.ids import attempt_key, uuid7
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.harness import target_context


class Listener:
    """Writes down what is told, and types what it is given to type."""

    def __init__(self, *lines: Typed, interactive: bool = True) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.printed_something = asyncio.Event()
        self.interactive = interactive
        self._lines = lines

    async def stage(self, stage: str) -> None:
        self.told.append(("stage", stage))

    async def printed(self, stage: str, stream: str, data: bytes) -> None:
        self.told.append((stage, stream, data))
        self.printed_something.set()

    async def ended(self, stage: str, exit_code: int | None, signal: str | None) -> None:
        self.told.append(("ended", stage, exit_code, signal))

    async def typed(self) -> AsyncIterator[Typed]:
        for line in self._lines:
            await self.printed_something.wait()
            yield line

    def text(self, stream: str = "stdout") -> bytes:
        return b"".join(one[2] for one in self.told if one[1] == stream)


def intent(code: str, **spec: Any) -> Intent:
    execution_id = uuid7()
    whole = {"language": "python", "files": [{"content": code}], "limits": {"wall_s": 60}} | spec
    key = attempt_key(execution_id, 1)
    return Intent(execution_id=execution_id, attempt=1, key=key, spec=whole, sent_after=SystemClock().now())


@pytest.fixture
async def pool(pool_folder: Path) -> AsyncIterator[LocalPoolConnector]:
    connector = await LocalPoolConnector.open(target_context({"home": str(pool_folder)}, SystemClock()))
    yield connector
    await connector.close()


ASKS = "print('name?', flush=True)\nprint('hello', input())\nimport sys\nprint(len(sys.stdin.read()))"


async def test_a_program_is_heard_and_answered(pool: LocalPoolConnector) -> None:
    talk = Listener(Typed(b"G\xc3"), Typed(b"\xb6\n"), Typed(b"more"), Typed())
    answer = await pool.run(intent(ASKS), MemoryArtifacts().sink("out"), talk)
    assert isinstance(answer, Ran), answer
    assert talk.text() == "name?\nhello Gö\n4\n".encode()
    assert talk.told[0] == ("stage", "run")
    assert talk.told[-1] == ("ended", "run", 0, None)
    assert answer.output.detail["stdout"] == "name?\nhello Gö\n4\n"
    assert answer.entry.state is RemoteState.SUCCEEDED


async def test_a_signal_reaches_the_program(pool: LocalPoolConnector) -> None:
    talk = Listener(Typed(signal="SIGTERM"))
    code = "print('up', flush=True)\nimport time\ntime.sleep(60)"
    answer = await pool.run(intent(code), MemoryArtifacts().sink("out"), talk)
    assert isinstance(answer, Ran), answer
    assert (answer.output.detail["verdict"], answer.output.detail["signal"]) == ("signal", "SIGTERM")


async def test_whoever_only_watches_leaves_the_input_as_it_was_given(pool: LocalPoolConnector) -> None:
    talk = Listener(interactive=False)
    answer = await pool.run(intent("print(input())", stdin="given\n"), MemoryArtifacts().sink("out"), talk)
    assert isinstance(answer, Ran), answer
    assert talk.text() == b"given\n"


async def test_what_cannot_be_run_is_refused_before_it_is_watched(pool: LocalPoolConnector) -> None:
    talk = Listener()
    answer = await pool.run(intent("", language="cobol"), MemoryArtifacts().sink("out"), talk)
    assert isinstance(answer, Refused), answer
    assert "cobol" in answer.reason.text
    assert talk.told == []


async def test_leaving_ends_the_run(pool: LocalPoolConnector) -> None:
    talk = Listener()
    sent = intent("print('up', flush=True)\nimport time\ntime.sleep(60)")
    running = asyncio.create_task(pool.run(sent, MemoryArtifacts().sink("out"), talk))
    await talk.printed_something.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    known = Known(handle=f"local/{sent.key}", submitted_at=sent.sent_after)
    async with asyncio.timeout(20):
        while True:
            entries = (await pool.look(LookQuery(known=(known,)))).entries
            if entries[0].state is not RemoteState.RUNNING:
                break
    assert entries[0].state is RemoteState.CANCELLED
