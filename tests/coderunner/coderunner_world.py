"""A pool of sessions in this process: real programs are run, and who is in which session is watched."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self, cast
from uuid import uuid4

import psycopg

from afield.coderunner.judge import JudgedCode
from afield.coderunner.requests import RunReport, RunRequest
from afield.coderunner.runtimes import Runtime
from afield.coderunner.service import CodeRunner
from afield.config import Settings
from afield.connectors.base import (
    NO_ROOM,
    Abilities,
    Accepted,
    Cancellation,
    CollectError,
    Connector,
    Entry,
    Intent,
    Limits,
    LookQuery,
    Match,
    NotSent,
    Output,
    Ran,
    RemoteState,
    Sink,
    Snapshot,
    StrictModel,
    Submission,
    TargetContext,
    Unknown,
)
from afield.connectors.coding import KEPT_BYTES, CodeFile, CodeResult, CodeSpec, Verdict, verdict_reason
from afield.connectors.registry import AnyConnector, register
from afield.connectors.talk import Talk
from afield.errors import LookError, NotFoundError
from afield.inline import Inline
from afield.kernel import Kernel, open_kernel
from afield.model.execution import Reason
from afield.model.target import DEFAULT_TENANT, Target

_SQL = Path(__file__).parents[2] / "src/afield/ledger/migrations/sql/0004_pool_slots.sql"


def ensure_slots(url: str) -> None:
    """The tables of places, where the migration does not bring them."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("select to_regclass('afield.pool_slot')").fetchone()
        if row is not None and row[0] is None:
            connection.execute(_SQL.read_bytes())


class PoolAddress(StrictModel):
    pool: str
    kind: str = "custom"


@dataclass
class FakePool:
    """What there is behind the address. Programs in `python` are run by a process, those in `script` say what to do:
    `echo`, `hang` (until it is stopped), `later` (goes on without the caller), `lose` (the answer), `full`, `broken`.
    """

    name: str
    most: int = 4
    keeps_state: bool = False
    sessions: dict[str, str] = field(default_factory=dict)  # identifier -> whose traces are there
    busy: dict[str, str] = field(default_factory=dict)  # identifier -> who runs something there
    most_seen: int = 0
    wrong: list[str] = field(default_factory=list)  # what must never happen, and did
    stops: list[str] = field(default_factory=list)
    stop_fails: int = 0
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    full: bool = False
    deaf: bool = False  # runs do not end when they are told to
    doing: dict[str, str] = field(default_factory=dict)  # identifier -> what the run there does
    runs: Counter[str] = field(default_factory=Counter)  # by run id
    order: list[str] = field(default_factory=list)  # users, as they were served
    ended: dict[str, asyncio.Event] = field(default_factory=dict)  # by run id
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    results: dict[str, tuple[str, CodeResult | None]] = field(default_factory=dict)
    asked_runtimes: int = 0

    def enter(self, identifier: str, user: str, run_id: str, code: str = "") -> asyncio.Event:
        self.doing[identifier] = code
        self.runs[run_id] += 1
        self.order.append(user)
        if identifier in self.busy:
            self.wrong.append(f"{user} came into a session that {self.busy[identifier]} uses")
        if self.keeps_state and self.sessions.get(identifier, user) != user:
            self.wrong.append(f"{user} came into a session with traces of {self.sessions[identifier]}")
        self.busy[identifier] = user
        self.sessions[identifier] = user
        self.most_seen = max(self.most_seen, len(self.sessions))
        if len(self.sessions) > self.most:
            self.wrong.append(f"{len(self.sessions)} sessions at once")
        self.ended[run_id] = asyncio.Event()
        self.entered.set()
        return self.ended[run_id]

    def leave(self, identifier: str) -> None:
        self.busy.pop(identifier, None)
        self.doing.pop(identifier, None)

    def finish(self, run_id: str, stdout: str) -> None:
        """End a run that goes on by itself."""
        handle, _ = self.results[run_id]
        self.results[run_id] = handle, CodeResult(verdict=Verdict.OK, exit_code=0, stdout=stdout)
        self.leave(handle.partition("/")[0])
        self.end(run_id)

    def end(self, run_id: str) -> None:
        self.ended[run_id].set()


POOLS: dict[str, FakePool] = {}


@dataclass(frozen=True)
class Size:
    sessions: int | None
    cooldown_s: float | None
    keeps_state: bool


class FakePoolConnector(Connector[PoolAddress, CodeSpec]):
    """Speaks to a FakePool. The caller's name is the first file's second line, as `# name`."""

    name: ClassVar[str] = "fake_pool"
    abilities: ClassVar[Abilities] = Abilities(
        batch_look=True,
        cancel=True,
        caller_chosen_name=True,
        output_on_failure=True,
        limits=Limits(min_interval=timedelta(seconds=0.05), max_interval=timedelta(seconds=0.2),
                      visibility_delay=timedelta(0), max_visibility_delay=timedelta(seconds=0.5)),
    )  # fmt: skip
    Address = PoolAddress
    Spec = CodeSpec

    def __init__(self, pool: FakePool) -> None:
        self.pool = pool

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        return cls(POOLS[PoolAddress.model_validate(context.address).pool])

    async def pool_size(self) -> Size:
        return Size(self.pool.most, 300.0, self.pool.keeps_state)

    async def runtimes(self, identifier: str | None = None) -> tuple[Runtime, ...]:
        self.pool.asked_runtimes += 1
        if identifier is not None:
            self.pool.enter(identifier, "", f"runtimes-{self.pool.asked_runtimes}")
            self.pool.leave(identifier)
        return (Runtime("python", "3.11.9", ("py",)), Runtime("script", "1.0.0"))

    async def stop_session(self, identifier: str) -> bool:
        if self.pool.stop_fails:
            self.pool.stop_fails -= 1
            if self.pool.stop_fails % 2:
                raise LookError("The pool does not answer.")
            return False
        self.pool.stops.append(identifier)
        self.pool.sessions.pop(identifier, None)
        self.pool.leave(identifier)
        self.pool.stopped.set()
        for run_id, (handle, _) in list(self.pool.results.items()):
            if handle.startswith(f"{identifier}/"):
                self.pool.end(run_id)
        await asyncio.sleep(0)
        return True

    async def submit(self, intent: Intent) -> Submission:
        """Only what there was no room for before comes this way."""
        spec = CodeSpec.model_validate(intent.spec)
        assert spec.session is not None
        if self.pool.full:
            return NotSent(Reason(NO_ROOM, "The pool is full."), timedelta(seconds=0.05))
        code, _, user = spec.files[0].content.partition("\n# ")
        self.pool.enter(spec.session, user, intent.key, code)
        self.pool.results[intent.key] = f"{spec.session}/{intent.key}", None
        self.pool.finish(intent.key, spec.stdin)
        return Accepted(f"{spec.session}/{intent.key}")

    async def run(self, intent: Intent, sink: Sink, talk: Talk | None = None) -> Ran | Submission:
        spec = CodeSpec.model_validate(intent.spec)
        assert spec.session is not None
        code, _, user = spec.files[0].content.partition("\n# ")
        handle = f"{spec.session}/{intent.key}"
        if code == "full":
            return NotSent(Reason(NO_ROOM, "The pool is full."), timedelta(seconds=0.05))
        if code == "lose-before":
            return Unknown(Reason("no_answer", "The line is dead."))
        over = self.pool.enter(spec.session, user, intent.key, code)
        self.pool.results[intent.key] = handle, None
        if code == "later":
            return Accepted(handle)
        try:
            result = await _result(spec, code, over)
        finally:
            self.pool.leave(spec.session)
        self.pool.results[intent.key] = handle, result
        if code == "lose":
            return Unknown(Reason("no_answer", "The reply was lost."))
        return Ran(handle, self._entry(intent.key), await _kept(result, sink))

    def _entry(self, run_id: str) -> Entry:
        handle, result = self.pool.results[run_id]
        if result is None:
            over = self.pool.ended[run_id].is_set()
            state = RemoteState.SUCCEEDED if over else RemoteState.RUNNING
            return Entry(handle=handle, status="over" if over else "running", state=state, name=run_id)
        stopped = result.signal == "SIGKILL"
        state = RemoteState.SUCCEEDED if result.verdict is Verdict.OK else RemoteState.FAILED
        state = RemoteState.TIMED_OUT if result.verdict is Verdict.TIME_LIMIT else state
        state = RemoteState.CANCELLED if stopped else state
        reason = None if stopped else verdict_reason(result.verdict)
        return Entry(handle=handle, status=result.verdict, state=state, name=run_id, reason=reason)

    async def look(self, query: LookQuery) -> Snapshot:
        from afield.clock import SystemClock

        entries = tuple(self._entry(run_id) for run_id in self.pool.results)
        return Snapshot(taken_at=SystemClock().now(), complete=True, entries=entries, calls=1)

    def match(self, intent: Intent, entry: Entry) -> Match:
        return Match.EXACT if entry.name == intent.key else Match.NO

    async def cancel(self, handle: str) -> Cancellation:
        if not self.pool.deaf:
            self.pool.end(handle.partition("/")[2])
        return Cancellation.ASKED

    async def collect(self, handle: str, sink: Sink) -> Output:
        _, result = self.pool.results[handle.partition("/")[2]]
        if result is None:
            raise CollectError(Reason("gone"), final=True)
        return await _kept(result, sink)


async def _result(spec: CodeSpec, code: str, over: asyncio.Event) -> CodeResult:
    if spec.language == "python":
        return await _process(spec)
    if code.startswith("hang"):
        await over.wait()
        return CodeResult(verdict=Verdict.SIGNAL, signal="SIGKILL")
    if code == "broken":
        return CodeResult(verdict=Verdict.INTERNAL_ERROR, message="the jail broke")
    await asyncio.sleep(0.001)
    return CodeResult(verdict=Verdict.OK, exit_code=0, stdout=spec.stdin, wall_ms=1.0)


async def _process(spec: CodeSpec) -> CodeResult:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", spec.files[0].content,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(spec.limits.wall_s or 10):
            out, err = await process.communicate(spec.stdin.encode())
    except TimeoutError:
        process.kill()
        await process.communicate()
        return CodeResult(verdict=Verdict.TIME_LIMIT, signal="SIGKILL", message="time limit")
    verdict = Verdict.OK if process.returncode == 0 else Verdict.RUNTIME_ERROR
    if b"SyntaxError" in err:
        compiled = CodeResult(verdict=Verdict.RUNTIME_ERROR, exit_code=1, stderr=err.decode())
        return CodeResult(verdict=Verdict.COMPILE_ERROR, compile=compiled)
    return CodeResult(verdict=verdict, exit_code=process.returncode, stdout=out.decode(), stderr=err.decode())


async def _kept(result: CodeResult, sink: Sink) -> Output:
    from dataclasses import replace

    import orjson

    if len(result.stdout) <= KEPT_BYTES:
        return Output(artifact=None, detail=result.to_json())
    await sink.write(orjson.dumps(result.to_json()))
    short = replace(result, stdout=result.stdout[:KEPT_BYTES], cut=True)
    return Output(artifact=await sink.commit("application/json"), detail=short.to_json())


register(cast("type[AnyConnector]", FakePoolConnector))


@dataclass
class CodeWorld:
    """What a test of the product has."""

    kernel: Kernel
    inline: Inline
    runner: CodeRunner
    pool: FakePool
    target: Target

    async def run(self, code: str = "echo", *, user: str = "ann", stdin: str = "", **more: Any) -> RunReport:
        return await self.runner.run(request(code, user, stdin, **more), user=user)


def request(code: str = "echo", user: str = "ann", stdin: str = "", **more: Any) -> RunRequest:
    language = more.pop("language", "script")
    content = f"{code}\n# {user}" if language == "script" else code
    spec = CodeSpec(language=language, files=(CodeFile(content=content),), stdin=stdin)
    return RunRequest(spec=spec, pool=more.pop("pool", "pool"), **more)


def solution(code: str) -> JudgedCode:
    return JudgedCode(language="python", files=(CodeFile(content=code),))


class PoolSettings(Settings):
    """With the pool of the installation, whether the settings know it yet or not."""

    code_pool: str | None = None


@asynccontextmanager
async def code_world(
    home: Path, url: str, pool: FakePool, *, code_pool: str | None = None, **more: Any
) -> AsyncIterator[CodeWorld]:
    """A process with a runner; several may share a database and a pool."""
    POOLS[pool.name] = pool
    async with open_kernel(PoolSettings(home=home, database_url=url, code_pool=code_pool)) as kernel:
        try:
            target = await kernel.find_target("pool")
        except NotFoundError:
            target = await kernel.add_target(
                connector="fake_pool", name="pool", address={"pool": pool.name}, tenant_id=DEFAULT_TENANT
            )
        inline = Inline(kernel)
        runner = CodeRunner(kernel, inline, **more)
        try:
            yield CodeWorld(kernel, inline, runner, pool, target)
        finally:
            await runner.close()
            await inline.close()


def fake_pool(**more: Any) -> FakePool:
    return FakePool(f"fake-{uuid4()}", **more)
