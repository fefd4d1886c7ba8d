"""The jail: submissions in, outcomes out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from afield_sandbox.errors import BadSubmissionError, TooWeakError, UnknownLanguageError, WorkerLostError
from afield_sandbox.host import HostProtections, Level, look_around
from afield_sandbox.keeper.cgroups import ControlGroups
from afield_sandbox.keeper.pool import Pool
from afield_sandbox.keeper.run import OnOutput, Run
from afield_sandbox.languages import INTERPRETER, Language, find_languages, runnable
from afield_sandbox.model import MIB, File, Limits, Outcome, Program, Stage, Submission
from afield_sandbox.rootfs import plan_root
from afield_sandbox.wire import Job, NurserySettings, Walls, Watch

_KEPT_BYTES = 64 * MIB
_WORKERS_LOST = 3
_UNPRIVILEGED = (65534, 65534)


class Jail(Protocol):
    """What runs untrusted code."""

    def probe(self) -> HostProtections:
        """What this host allows."""
        ...

    def languages(self) -> tuple[Language, ...]:
        """What can be run here."""
        ...

    async def compile(self, submission: Submission, on_output: OnOutput | None = None) -> Program:
        """Make a submission ready to run many times."""
        ...

    async def run(
        self, work: Submission | Program, on_output: OnOutput | None = None, *, stdin: bytes | None = None
    ) -> Outcome:
        """Run it once."""
        ...


@dataclass(frozen=True, slots=True)
class JailSettings:
    """How a jail is set up.

    `lanes`: how many workers wait, and how many runs go on at once; 0 for four for each processor. `minimum`: the
    level below which nothing is run. `level`: the highest level to use. `languages`: only these, empty for all found.
    `user`: uid and gid the jail has outside when it is started by root; at the level LANDLOCK each lane becomes one of
    `users` then, first and last of a range of uids that nobody has. `folder`: where the private folders are made at
    that level, empty for memory where there is plenty, else the usual place of temporary files. `without` leaves out
    single protections (seccomp, network, landlock, scope), for tests that show what each is good for; never in earnest.
    """

    lanes: int = 0
    minimum: Level = Level.NAMESPACES
    level: Level = Level.FULL
    languages: tuple[str, ...] = ()
    scratch_bytes: int = 128 * MIB
    scratch_files: int = 4096
    max_waiting: int = 1000
    patience_s: float = 30.0
    user: tuple[int, int] = _UNPRIVILEGED
    users: tuple[int, int] = (60200, 60999)
    folder: str = ""
    without: frozenset[str] = field(default_factory=frozenset)


class LocalJail:
    """A jail on this machine: `async with LocalJail() as jail: await jail.run(Submission.of("python", "print(1)"))`."""

    def __init__(self, settings: JailSettings | None = None) -> None:
        self._settings = settings or JailSettings()
        self._languages: tuple[Language, ...] = ()
        self._pool: Pool | None = None
        self._protections: HostProtections | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Find the languages, build the jail, keep workers waiting. Raises TooWeakError below the minimum."""
        self._languages = await asyncio.to_thread(find_languages, self._settings.languages)
        groups = await self._groups()
        built, problems = await self._build(groups)
        self._protections = await asyncio.to_thread(look_around, groups, built, problems)
        try:
            self._protections.require(max(self._settings.minimum, Level.LANDLOCK))
        except TooWeakError:
            await self.close()
            self._pool = None
            raise

    async def _build(self, groups: ControlGroups) -> tuple[Walls | None, dict[Walls, str]]:
        """Try the strongest walls first. Those that stand, and what the kernel said to others."""
        problems: dict[Walls, str] = {}
        for walls in self._acceptable():
            pool = await asyncio.to_thread(self._plan, groups, walls)
            try:
                await pool.start()
            except (TooWeakError, OSError, TimeoutError) as failed:
                problems[walls] = str(failed) or "it did not start in time."
                await pool.close()
                continue
            self._pool = pool
            return walls, problems
        return None, problems

    def _acceptable(self) -> list[Walls]:
        """What is to be tried: no more than the highest level, no less than the lowest."""
        highest, lowest = self._settings.level, self._settings.minimum
        walls = [Walls.NAMESPACES] if highest >= Level.NAMESPACES else []
        return walls + ([Walls.LANDLOCK] if lowest <= Level.LANDLOCK <= highest else [])

    async def _groups(self) -> ControlGroups:
        if self._settings.level < Level.FULL:
            return ControlGroups()
        return await asyncio.to_thread(ControlGroups.find)

    def _plan(self, groups: ControlGroups, walls: Walls) -> Pool:
        settings = self._settings
        binds, links = plan_root([INTERPRETER, *(tree for language in self._languages for tree in language.trees)])
        root = os.geteuid() == 0
        nursery = NurserySettings(
            binds=binds,
            links=links,
            user=settings.user if root else None,
            users=settings.users if root else None,
            walls=walls,
            folder=settings.folder,
            memory_held=groups.memory is not None,
            scratch_bytes=settings.scratch_bytes,
            scratch_files=settings.scratch_files,
            without=tuple(sorted(settings.without)),
        )
        lanes = settings.lanes or 4 * (os.cpu_count() or 1)
        return Pool(nursery, groups, lanes=lanes, max_waiting=settings.max_waiting, patience_s=settings.patience_s)

    async def close(self) -> None:
        """End all runs, all workers, and the nursery; remove the control groups."""
        if self._pool is not None:
            await self._pool.close()

    @property
    def pool(self) -> Pool:
        """The waiting workers. Raises RuntimeError before the jail is started."""
        if self._pool is None:
            raise RuntimeError("the jail is not started")
        return self._pool

    def probe(self) -> HostProtections:
        """What this host allows, and the level in use. Raises RuntimeError before the jail is started."""
        if self._protections is None:
            raise RuntimeError("the jail is not started")
        return self._protections

    def languages(self) -> tuple[Language, ...]:
        """What can be run here, with versions."""
        return self._languages

    def language(self, name: str) -> Language:
        """A language by its name or alias. Raises UnknownLanguageError."""
        for language in self._languages:
            if name.lower() in (language.name, *language.aliases):
                return language
        known = ", ".join(language.name for language in self._languages)
        raise UnknownLanguageError(f"There is no tool chain for {name!r} here.", hint=f"Known: {known}.")

    async def compile(self, submission: Submission, on_output: OnOutput | None = None) -> Program:
        """Make a submission ready to run many times; does nothing for languages that are not compiled.

        Raises UnknownLanguageError, BusyError, ClosedError.
        """
        language = self.language(submission.language)
        files = language.named(submission.files)
        if language.compile is None:
            return Program(submission, files)
        command = language.compile(language.tool, files[0].name, tuple(file.name for file in files))
        job = self._job(language, files, command, (), submission.compile_limits)
        making = partial(Run, stage=Stage.COMPILE, stdin=b"")
        outcome = await _persist(lambda: self._started(making, job, on_output, keep=_KEPT_BYTES))
        kept = {file.name: file for file in files} | runnable(outcome.files)
        built = (files[0], *(file for name, file in kept.items() if name != files[0].name))
        return Program(submission, built if outcome.ok else (), replace(outcome, files={}))

    async def run(
        self,
        work: Submission | Program,
        on_output: OnOutput | None = None,
        *,
        stdin: bytes | None = None,
        args: tuple[str, ...] | None = None,
        keep_bytes: int = 0,
    ) -> Outcome:
        """Run once, in a jail of its own; a submission is compiled first where its language needs that.

        `stdin` and `args` replace those of the submission. `keep_bytes`: how much to keep of the files the run leaves.
        When compiling fails, that outcome is the answer. Raises UnknownLanguageError, BusyError, ClosedError.
        """
        program = work if isinstance(work, Program) else await self.compile(work, on_output)
        if program.compiled is not None and not program.ready:
            return replace(program.compiled, compile=program.compiled)
        outcome = await _persist(
            lambda: self.started(program, on_output, stdin=stdin, args=args, keep_bytes=keep_bytes)
        )
        return replace(outcome, compile=program.compiled)

    @asynccontextmanager
    async def started(
        self,
        program: Program,
        on_output: OnOutput | None = None,
        *,
        stdin: bytes | None = None,
        args: tuple[str, ...] | None = None,
        keep_bytes: int = 0,
        interactive: bool = False,
        keep_output: bool = True,
    ) -> AsyncIterator[Run]:
        """A run to hold on to: write to it, signal it, stop it; `finish()` gives the outcome. For interactive use.

        Without `keep_output` the output goes to `on_output` alone, unlimited, and the outcome holds none of it: for
        runs that go on for long. Raises BadSubmissionError for a program whose compilation failed.
        """
        if not program.ready:
            raise BadSubmissionError("The program was not compiled.", hint="Look at its compilation's outcome.")
        submission = program.submission
        language = self.language(submission.language)
        command = language.command(language.tool, program.files[0].name, submission.limits) if language.command else ()
        given = submission.args if args is None else args
        job = self._job(language, program.files, command, given, submission.limits)
        entered = submission.stdin if stdin is None else stdin
        making = partial(Run, stage=Stage.RUN, stdin=entered, interactive=interactive, keep_output=keep_output)
        async with self._started(making, job, on_output, keep=keep_bytes) as run:
            yield run

    def _job(
        self,
        language: Language,
        files: tuple[File, ...],
        command: tuple[str, ...],
        args: tuple[str, ...],
        limits: Limits,
    ) -> Job:
        held_by_kernel = bool(self.probe().memory_cgroup)
        return Job(
            main=files[0].name,
            args=args,
            command=command,
            environment=language.environment,
            limits=limits,
            address_space=not held_by_kernel and not language.reserves,
            files=files,
        )

    @asynccontextmanager
    async def _started(
        self, making: Callable[..., Run], job: Job, on_output: OnOutput | None, *, keep: int
    ) -> AsyncIterator[Run]:
        sampled = None if self.probe().memory_cgroup else job.limits.memory_bytes
        watch = Watch(job.limits.cpu_s, sampled, keep, job.limits.processes)
        async with self.pool.take() as cell:
            yield making(cell, job, watch, on_output=on_output)


async def _persist(start: Callable[[], AbstractAsyncContextManager[Run]]) -> Outcome:
    """Finish a run, in another worker when one was lost before it had started the program; never a second time."""
    for _ in range(_WORKERS_LOST):
        async with start() as run:
            with suppress(WorkerLostError):
                return await run.finish()
    raise WorkerLostError(f"{_WORKERS_LOST} workers in turn were lost.", hint="Nothing of the submission ran.")
