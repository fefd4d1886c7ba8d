"""One run in one cell: hand over the job, feed and read its streams, hold the limits, say what became of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from afield_sandbox.errors import WorkerLostError
from afield_sandbox.keeper.cell import Cell, Ending
from afield_sandbox.model import Outcome, Stage, Stream
from afield_sandbox.output import Collector
from afield_sandbox.verdicts import OVERFLOW, Evidence, Stop, judge
from afield_sandbox.wire import BEGUN, Job, Report, Watch, flat, pack_job, split_files

OnOutput = Callable[[Stream, bytes], None]

_CHUNK = 64 * 1024
_GRACE_SECONDS = 2.0
_LISTEN_SECONDS = 0.002  # a run that is over by then is never waited for stream by stream


class Run:
    """Use once. `stdin` stays open after the given input when `interactive`. Without `keep_output` the output goes to
    `on_output` alone: nothing of it is kept, and there is no limit to it.
    """

    def __init__(
        self,
        cell: Cell,
        job: Job,
        watch: Watch,
        *,
        stage: Stage,
        stdin: bytes,
        on_output: OnOutput | None,
        interactive: bool = False,
        keep_output: bool = True,
    ) -> None:
        self._cell = cell
        self._job = job
        self._watch = watch
        self._stage = stage
        self._input = bytearray(stdin)
        self._on_output = on_output
        self._interactive = interactive
        self._loop = asyncio.get_running_loop()
        self._keep_output = keep_output
        self._streams = {stream: Collector(job.limits.output_bytes if keep_output else None) for stream in Stream}
        self._merged = bytearray()
        self._stop: Stop | None = None
        self._open = {Stream.STDOUT: cell.stdout, Stream.STDERR: cell.stderr}
        self._quiet = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []

    async def finish(self) -> Outcome:
        """Run to the end. Nothing of the run is left when this returns.

        Raises WorkerLostError when the worker was gone before the program was started; it can be run again.
        """
        limits = self._job.limits
        self._cell.slot.limit(limits.memory_bytes, limits.processes)
        started = self._loop.time()
        self._later(limits.wall_s, self.stop, Stop.WALL)
        try:
            await self._hand_over()
            ending = await asyncio.shield(self._cell.ended)
            wall = self._loop.time() - started
            await self._rest()
        finally:
            self._let_go()
        return self._outcome(self._judged(ending), ending.content, wall)

    def _later(self, seconds: float, what: Callable[..., None], *about: Stop) -> None:
        self._timers.append(self._loop.call_later(seconds, what, *about))

    async def _hand_over(self) -> None:
        self._cell.say({"watch": flat(self._watch)})
        if self._interactive:
            self._listen()
        else:
            self._later(_LISTEN_SECONDS, self._listen)
        with suppress(ConnectionError):  # a worker that is gone is seen by its lane
            await self._loop.sock_sendall(self._cell.job, pack_job(self._job))
        self._feed()

    def _listen(self) -> None:
        for stream, descriptor in self._open.items():
            self._loop.add_reader(descriptor, self._read, stream)

    async def _rest(self) -> None:
        """What is in the streams still. Whoever could write more is dead, or about to die with its lane."""
        for stream in Stream:
            while stream in self._open and self._read(stream):
                pass
        if self._open:
            self._listen()
            await self._quiet.wait()

    def _judged(self, ending: Ending) -> Report | None:
        """The report. A worker's own complaint decides. Raises WorkerLostError when nothing had begun."""
        word = self._cell.word()
        if complaint := word.removeprefix(BEGUN):
            return Report(status=0, cpu_s=0.0, resident_bytes=0, error=complaint.decode("utf-8", "replace"))
        if not (word or self._stop):
            raise WorkerLostError("A worker was ended before it had started the program.", hint="Nothing ran.")
        return ending.report

    def stop(self, why: Stop = Stop.ASKED) -> None:
        """End the run; the first reason counts. A lane that does not manage to end it is ended itself."""
        if self._stop is None:
            self._stop = why
            self._cell.say({"stop": True})
            self._later(_GRACE_SECONDS, self._cell.kill)

    def signal(self, number: int) -> None:
        """Send a signal to the program."""
        self._cell.say({"signal": number})

    def write(self, data: bytes) -> None:
        """More input for an interactive run."""
        self._input += data
        self._feed()

    def end_input(self) -> None:
        """No more input will come; what is not read yet still arrives."""
        self._interactive = False
        self._feed()

    def _feed(self) -> None:
        """Write as much of the input as the program takes now; go on when it takes more."""
        stdin = self._cell.stdin
        if stdin < 0:
            return
        try:
            while self._input:
                del self._input[: os.write(stdin, self._input[:_CHUNK])]
        except BlockingIOError:
            self._loop.add_writer(stdin, self._feed)
            return
        except OSError:  # the program has closed its input
            self._input.clear()
            self._interactive = False
        self._loop.remove_writer(stdin)
        if not self._interactive:
            self._cell.close_stdin()

    def _read(self, stream: Stream) -> bool:
        """Take what is there; False when nothing is."""
        try:
            data = os.read(self._open[stream], _CHUNK)
        except BlockingIOError:
            return False
        collector = self._streams[stream]
        if data:
            self._pass_on(stream, collector.feed(data))
            if collector.overflowed:
                self.stop(OVERFLOW[stream])
        else:
            self._loop.remove_reader(self._open.pop(stream))
            self._pass_on(stream, collector.end())
            if not self._open:
                self._quiet.set()
        return True

    def _pass_on(self, stream: Stream, piece: bytes) -> None:
        if self._keep_output:
            self._merged += piece
        if piece and self._on_output is not None:
            self._on_output(stream, piece)

    def _let_go(self) -> None:
        for timer in self._timers:
            timer.cancel()
        for descriptor in self._open.values():
            self._loop.remove_reader(descriptor)
        if self._cell.stdin >= 0:
            self._loop.remove_writer(self._cell.stdin)

    def _outcome(self, report: Report | None, content: bytes, wall: float) -> Outcome:
        slot = self._cell.slot
        evidence = Evidence(report, self._stop, slot.ran_out_of_memory())
        found = judge(evidence, self._job.limits, self._stage)
        used = slot.peak() or (report.resident_bytes if report else None)
        outcome = partial(Outcome, verdict=found.verdict, stage=self._stage, message=found.message)
        return outcome(
            exit_code=found.exit_code,
            signal=found.signal,
            stdout=self._streams[Stream.STDOUT].content,
            stderr=self._streams[Stream.STDERR].content,
            merged=bytes(self._merged),
            wall_s=wall,
            cpu_s=report.cpu_s if report else None,
            memory_bytes=used,
            files=split_files(report.files, content) if report else {},
        )
