"""The checks that find out why the local pool does not run code. They only read; the snippet is run when asked for by
name, and starts the pool's process if there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from afield.connectors.adapter.client import AdapterClient
from afield.connectors.adapter.reply import NoReply, Reply
from afield.connectors.base import Check, CheckResult, CheckVerdict
from afield.connectors.local_pool.home import PoolHome, Running
from afield.connectors.local_pool.sight import SESSION
from afield.connectors.session_pool.checks_adapter import judge_adapter, judge_languages, judge_snippet, snippet_run
from afield.connectors.session_pool.evidence import Answer, NoAnswer, Silence

_READY_S = 60.0  # the first look at all languages compiles in some of them


def checks(client: AdapterClient, home: PoolHome) -> Sequence[Check]:
    rungs = _Rungs(client, home)
    return (
        Check(name="process", probe=rungs.process),
        Check(name="adapter", probe=rungs.adapter, needs=("process",)),
        Check(name="languages", probe=rungs.languages, needs=("adapter",)),
        Check(name="snippet", probe=rungs.snippet, intrusive=True),
    )


class _Rungs:
    """The probes."""

    def __init__(self, client: AdapterClient, home: PoolHome) -> None:
        self._client = client
        self._home = home
        self._running: Running | None = None

    async def process(self) -> CheckResult:
        """Whether it runs; that it does not is well, too, unless it died while it started."""
        asked = f"the process that serves {self._home.folder}"
        self._running = await asyncio.to_thread(self._home.running)
        if self._running is not None:
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=f"process {self._running.pid} runs")
        said = await asyncio.to_thread(self._home.last_words)
        if not said:
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered="none; the next run starts it")
        return CheckResult(
            verdict=CheckVerdict.FAIL,
            asked=asked,
            answered=said,
            cause=f"The local pool's process does not start on this machine: {said}",
            next_step="docs/sandbox.md says what it needs of this machine; `--minimum` what protection is asked for.",
        )

    async def adapter(self) -> CheckResult:
        if self._running is None:
            return _not_running()
        health = await self._client.call("GET", "/health", SESSION)
        ready = await self._client.call("GET", "/ready", SESSION, wait_s=_READY_S)
        return judge_adapter(_answer(health), _answer(ready), self._restart())

    async def languages(self) -> CheckResult:
        if self._running is None:
            return _not_running()
        ready = await self._client.call("GET", "/ready", SESSION, wait_s=_READY_S)
        return judge_languages(_answer(ready), self._restart())

    async def snippet(self) -> CheckResult:
        body = snippet_run(f"diagnosis-{uuid4().hex}")
        answer = await self._client.call("POST", "/runs", SESSION, body, wait_s=_READY_S)
        return judge_snippet("POST /runs: a line of Python", _answer(answer), self._restart())

    def _restart(self) -> str:
        process = f"End process {self._running.pid}" if self._running is not None else "Run something"
        return f"{process}; the next run starts another one. Its log is under {self._home.folder}."


def _not_running() -> CheckResult:
    return CheckResult(verdict=CheckVerdict.SKIPPED, asked="", answered="Nothing runs, so nothing can be asked.")


def _answer(answer: Reply | NoReply) -> Answer | NoAnswer:
    if isinstance(answer, NoReply):
        return NoAnswer(silence=Silence.LOST if answer.sent else Silence.REFUSED, text=answer.text)
    return Answer(status=answer.status, headers=answer.headers, body=answer.body)
