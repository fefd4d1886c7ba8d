"""`afield code`: run a program in a pool of sessions, judge one, and what the pools can do."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Final, TypeVar

import typer

from afield.cli.code_show import (
    exit_code_of,
    judgement_card,
    judgement_json,
    pools_table,
    report_json,
    runtimes_table,
    verdict_line,
)
from afield.cli.run import Exit, JsonFlag, emit, err, fail, print_json, with_kernel
from afield.cli.who import Who
from afield.coderunner.judge import JudgedCode
from afield.coderunner.judging import Judgement, TestVerdict
from afield.coderunner.opening import open_code_runner
from afield.coderunner.pool import PoolView
from afield.coderunner.pools import pools_of
from afield.coderunner.problems import load_problem
from afield.coderunner.requests import USER_LABEL, RunReport, RunRequest
from afield.coderunner.runtimes import Runtime
from afield.coderunner.service import CodeRunner
from afield.connectors.coding import CodeFile, CodeLimits, CodeSpec
from afield.connectors.talk import Talk, Typed
from afield.errors import AfieldError, InvalidInputError
from afield.kernel import Kernel
from afield.ledger.base import ExecutionFilter
from afield.model.states import OUTSTANDING
from afield.model.target import DEFAULT_TENANT

T = TypeVar("T")

code = typer.Typer(help="Run programs in pools of sessions, on this machine or in a cloud.", no_args_is_help=True)

_INTERRUPTED: Final = 128 + signal.SIGINT
_STOPPING_S: Final = 10.0
_MIB: Final = 1024 * 1024

_LANGUAGES: Final[Mapping[str, str]] = {
    ".py": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".sh": "bash",
    ".bash": "bash",
    ".c": "c",
    ".cc": "c++",
    ".cpp": "c++",
    ".cxx": "c++",
    ".java": "java",
    ".go": "go",
    ".rs": "rust",
}

_Pool = Annotated[
    str | None, typer.Option("--pool", help="A target's name or id; if not given, this installation's pool.")
]
_Language = Annotated[
    str | None, typer.Option("--language", help="Name or alias; if not given, what the file's name says.")
]


@code.command("run")
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The program's text.")],
    language: _Language = None,
    stdin: Annotated[
        str | None, typer.Option("--stdin", metavar="FILE", help="What the program reads; - for standard input.")
    ] = None,
    pool: _Pool = None,
    arg: Annotated[list[str] | None, typer.Option("--arg", help="An argument of the program; can be repeated.")] = None,
    time: Annotated[float | None, typer.Option("--time", help="Seconds it may take.", min=0.001, max=3600)] = None,
    memory: Annotated[int | None, typer.Option("--memory", help="MiB it may use.", min=16)] = None,
    by: Who = "",
    json: JsonFlag = False,
) -> None:
    """Run a program and show what it prints as it prints it; the verdict goes to standard error. The exit code is the
    program's own; the page on the command line lists the others. Ctrl-C stops the program."""
    spec = CodeSpec(
        language=language or _language_of(file),
        files=(CodeFile(name=file.name, content=_text_of(file)),),
        stdin="" if stdin is None else _input_of(stdin),
        args=tuple(arg or ()),
        limits=CodeLimits(wall_s=time, cpu_s=time, memory_bytes=None if memory is None else memory * _MIB),
    )
    terminal = _Terminal(silent=json)

    async def work(runner: CodeRunner) -> RunReport:
        return await runner.run(RunRequest(spec=spec, pool=pool), user=by, talk=terminal)

    report = _stoppable(work, by, terminal)
    if report.result is not None and not json:
        terminal.show_the_rest(report)
    if json:
        print_json(report_json(report))
    else:
        err.print(verdict_line(report), soft_wrap=True)
    raise typer.Exit(exit_code_of(report.result, _signal_number(report)))


@code.command("judge")
def judge(
    problem: Annotated[Path, typer.Argument(metavar="PROBLEM", help="A problem.yaml.")],
    solution: Annotated[Path, typer.Argument(metavar="FILE", help="The program's text.")],
    language: _Language = None,
    pool: _Pool = None,
    by: Who = "",
    json: JsonFlag = False,
) -> None:
    """Run a solution on all tests of a problem. 0: accepted; 1: not; 2: it could not be judged. Ctrl-C stops it."""
    try:
        task = load_problem(problem)
    except AfieldError as error:
        fail(error)
    files = (CodeFile(name=solution.name, content=_text_of(solution)),)
    judged = JudgedCode(language=language or _language_of(solution), files=files)

    async def work(runner: CodeRunner) -> Judgement:
        return await runner.judge(task, judged, user=by, pool=pool)

    judgement = _stoppable(work, by)
    emit(judgement_json(judgement), judgement_card(judgement), json)
    if not judgement.judged:
        raise typer.Exit(Exit.FAILED)
    raise typer.Exit(Exit.OK if judgement.verdict is TestVerdict.ACCEPTED else Exit.FINDINGS)


@code.command("languages")
def languages(pool: _Pool = None, json: JsonFlag = False) -> None:
    """What a pool runs, in the versions that are installed there."""

    async def work(kernel: Kernel) -> tuple[Runtime, ...]:
        async with open_code_runner(kernel) as runner:
            return await runner.runtimes(pool)

    found = with_kernel(work)
    emit(found, runtimes_table(found), json)


@code.command("pools")
def pools(json: JsonFlag = False) -> None:
    """All pools: sessions there are and may be, runs a minute, and how many a minute each bears for long."""

    async def work(kernel: Kernel) -> list[PoolView]:
        async with open_code_runner(kernel) as runner:
            return [await runner.pool_view(name) for name in await pools_of(kernel, DEFAULT_TENANT)]

    views = with_kernel(work)
    emit(views, pools_table(views), json)
    if not views:
        err.print("There is no pool yet. `afield code run` makes the one of this machine.")


# ------------------------------------------------------------------------------------------- input


def _language_of(file: Path) -> str:
    found = _LANGUAGES.get(file.suffix.lower())
    if found is None:
        known = ", ".join(sorted(_LANGUAGES))
        fail(InvalidInputError(f"{file.name} does not say its language.", hint=f"Known: {known}. Or say --language."))
    return found


def _text_of(file: Path) -> str:
    try:
        return _checked(file.read_bytes(), str(file))
    except OSError as error:
        fail(InvalidInputError(f"{file} cannot be read: {error.strerror}."))


def _input_of(given: str) -> str:
    return _checked(sys.stdin.buffer.read(), "The input") if given == "-" else _text_of(Path(given))


def _checked(data: bytes, what: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        fail(InvalidInputError(f"{what} is not UTF-8 text."))
    if "\0" in text:
        fail(InvalidInputError(f"{what} holds a NUL character."))
    return text


# ------------------------------------------------------------------------------------------- running


class _Terminal(Talk):
    """Shows what a program prints as it prints it."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._began = False
        self.gone = asyncio.Event()  # nobody reads any more

    async def stage(self, stage: str) -> None:
        self._began = True

    async def printed(self, stage: str, stream: str, data: bytes) -> None:
        if self._silent or self.gone.is_set():
            return
        try:
            await asyncio.to_thread(_write, _stream(stage, stream), data)
        except BrokenPipeError:
            self.gone.set()

    async def ended(self, stage: str, exit_code: int | None, signal: str | None) -> None:
        """Told in the verdict."""

    async def typed(self) -> AsyncIterator[Typed]:
        return
        yield

    @property
    def interactive(self) -> bool:
        return False

    def show_the_rest(self, report: RunReport) -> None:
        """All of it, if the pool let nobody watch."""
        if report.result is not None and not self._began:
            _write(sys.stdout.buffer, report.result.stdout.encode())
            _write(sys.stderr.buffer, report.result.stderr.encode())


def _stream(stage: str, stream: str) -> BinaryIO:
    """A compiler's words are no output of the program."""
    return sys.stdout.buffer if (stage, stream) == ("run", "stdout") else sys.stderr.buffer


def _write(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)
    stream.flush()


def _stoppable(work: Callable[[CodeRunner], Awaitable[T]], user: str, terminal: _Terminal | None = None) -> T:
    """Do it. Ctrl-C, and a reader who goes away, stop what runs; its end is recorded before the command ends."""

    async def opened(kernel: Kernel) -> T:
        began = kernel.clock.now()
        async with open_code_runner(kernel) as runner:
            try:
                return await _while_read(work(runner), terminal)
            except (asyncio.CancelledError, BrokenPipeError):
                await _stopped(kernel, user, began)
                raise

    try:
        return with_kernel(opened)
    except KeyboardInterrupt:
        err.print("Stopped.")
        raise typer.Exit(_INTERRUPTED) from None


async def _while_read(work: Awaitable[T], terminal: _Terminal | None) -> T:
    """Raises BrokenPipeError when nobody reads any more."""
    if terminal is None:
        return await work
    running = asyncio.ensure_future(work)
    gone = asyncio.create_task(terminal.gone.wait())
    try:
        await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise BrokenPipeError
        return running.result()
    finally:
        for task in (running, gone):
            task.cancel()
        await asyncio.gather(running, gone, return_exceptions=True)


async def _stopped(kernel: Kernel, user: str, since: datetime) -> None:
    """Wait until the ends of what was stopped are recorded, a few seconds at most."""
    mine = ExecutionFilter(tenant_id=DEFAULT_TENANT, states=OUTSTANDING, labels={USER_LABEL: user}, created_since=since)
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOPPING_S):
            while (await kernel.ledger.executions(mine, limit=1)).items:  # noqa: ASYNC110 - the ledger is elsewhere
                await asyncio.sleep(0.05)


def _signal_number(report: RunReport) -> int:
    name = report.result.signal if report.result else None
    if name is None:
        return signal.SIGKILL
    return signal.Signals[name] if name in signal.Signals.__members__ else int(name.removeprefix("SIG"))
