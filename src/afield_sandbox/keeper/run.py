"""One run in one cell: hand over the job, feed and read its streams, hold the limits, say what became of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial

from afield_sandbox.errors import WorkerLostError
from afield_sandbox.keeper.cell import Cell
from afield_sandbox.model import Outcome, Stage, Stream
from afield_sandbox.output import Collector
from afield_sandbox.verdicts import OVERFLOW, Evidence, Stop, judge
from afield_sandbox.wire import Job, Report, Watch, pack, pack_job, split_files, unpack, unpack_report

OnOutput = Callable[[Stream, bytes], None]

_CHUNK = 64 * 1024
_GRACE_SECONDS = 0.5


class Run:
    """Use once. `stdin` stays open after the given input when `interactive`."""

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
    ) -> None:
        self._cell = cell
        self._job = job
        self._watch = watch
        self._stage = stage
        self._input = bytearray(stdin)
        self._on_output = on_output
        self._interactive = interactive
        self._loop = asyncio.get_running_loop()
        self._streams = {stream: Collector(job.limits.output_bytes) for stream in Stream}
        self._merged = bytearray()
        self._stop: Stop | None = None
        self._open = 2
        self._quiet = asyncio.Event()
        self._forced: asyncio.TimerHandle | None = None

    async def finish(self) -> Outcome:
        """Run to the end. Nothing of the run is left when this returns.

        Raises WorkerLostError when the worker was gone before the program was started; it can be run again.
        """
        limits = self._job.limits
        self._cell.slot.limit(limits.memory_bytes, limits.processes)
        started = self._loop.time()
        alarm = self._loop.call_later(limits.wall_s, self.stop, Stop.WALL)
        try:
            await self._hand_over()
            report, content = await self._ending()
            wall = self._loop.time() - started
            await self._quiet.wait()
        finally:
            alarm.cancel()
            self._let_go()
        return self._outcome(report, content, wall)

    async def _hand_over(self) -> None:
        self._cell.line.send(pack({"watch": asdict(self._watch)}))
        self._loop.add_reader(self._cell.stdout, self._read, Stream.STDOUT, self._cell.stdout)
        self._loop.add_reader(self._cell.stderr, self._read, Stream.STDERR, self._cell.stderr)
        with suppress(ConnectionError):  # a worker that is gone is seen on its line
            await self._loop.sock_sendall(self._cell.job, pack_job(self._job))
        self._feed()

    async def _ending(self) -> tuple[Report | None, bytes]:
        """The init's report and the files behind it. A worker's own complaint comes first and decides."""
        error, started, report, content = "", False, None, bytearray()
        while data := (await self._cell.line.receive()).data:
            if report is not None:
                content += data
            elif "status" in (message := unpack(data)):
                report = unpack_report(data)
            else:
                started = started or "started" in message
                error = str(message.get("error", error))
        if report is None and not (started or error or self._stop):
            raise WorkerLostError("A worker was ended before it had started the program.", hint="Nothing ran.")
        if error:
            report = Report(status=0, cpu_s=0.0, resident_bytes=0, error=error)
        return report, bytes(content)

    def stop(self, why: Stop) -> None:
        """End the run; the first reason counts. An init that does not manage to end it is ended itself."""
        if self._stop is None:
            self._stop = why
            self._cell.line.send(pack({"stop": True}))
            self._forced = self._loop.call_later(_GRACE_SECONDS, self._cell.kill)

    def signal(self, number: int) -> None:
        """Send a signal to the program."""
        self._cell.line.send(pack({"signal": number}))

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

    def _read(self, stream: Stream, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        collector = self._streams[stream]
        if data:
            self._pass_on(stream, collector.feed(data))
            if collector.overflowed:
                self.stop(OVERFLOW[stream])
        else:
            self._loop.remove_reader(descriptor)
            self._pass_on(stream, collector.end())
            self._open -= 1
            if self._open == 0:
                self._quiet.set()

    def _pass_on(self, stream: Stream, piece: bytes) -> None:
        self._merged += piece
        if piece and self._on_output is not None:
            self._on_output(stream, piece)

    def _let_go(self) -> None:
        if self._forced is not None:
            self._forced.cancel()
        for descriptor in (self._cell.stdout, self._cell.stderr):
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
