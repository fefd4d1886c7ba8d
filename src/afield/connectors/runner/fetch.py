"""Bringing a script's output home."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from afield.connectors.base import CollectError, Output, Sink, TargetContext
from afield.connectors.command import TAIL_BYTES, CommandResult, tail
from afield.connectors.runner.machine import LostError, Machine, NotReachedError
from afield.connectors.runner.wire import HEADER, Header, parse_header
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject

_TEXT = "text/plain"
_MOST_NOISE = 1024 * 1024  # what a login shell may say before the answer


class Fetcher:
    """Fetches stdout into the sink, and stderr beside it when it is longer than the tail that is kept anyway."""

    def __init__(self, machine: Machine, context: TargetContext, state_dir: str) -> None:
        self._machine = machine
        self._context = context
        self._state_dir = state_dir

    async def collect(self, key: str, sink: Sink) -> Output:
        """Raises CollectError; final only when the machine says that the folder is gone."""
        try:
            async with self._machine.stream("fetch", self._state_dir, key) as pieces:
                return await self._store(key, _Reading(pieces), sink)
        except (NotReachedError, LostError, TimeoutError) as error:
            await sink.abort()
            raise CollectError(Reason("no_reply", f"The output did not arrive whole: {error}.")) from error
        except CollectError:
            await sink.abort()
            raise

    async def _store(self, key: str, reading: _Reading, sink: Sink) -> Output:
        header = await reading.header(key)
        reach(FaultPoint.DURING_COLLECT)
        out = await reading.copy(header.out, sink)
        detail: JsonObject = {}
        if header.err > TAIL_BYTES:
            beside = self._context.artifacts.sink(f"{self._context.target_id}/{key}.stderr")
            err = await reading.copy(header.err, beside)
            detail["stderr_artifact"] = await beside.commit(_TEXT)
        else:
            err = await reading.copy(header.err, None)
        (stdout, out_cut), (stderr, err_cut) = tail(out), tail(err)
        result = CommandResult(
            exit_code=header.exit_code, stdout=stdout, stderr=stderr, stdout_cut=out_cut, stderr_cut=err_cut
        )
        artifact = await sink.commit(_TEXT)
        return Output(artifact=artifact, size=header.out, media_type=_TEXT, detail=result.to_json() | detail)


class _Reading:
    """An answer being read: a header, then two streams of known sizes."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = b""

    async def _more(self) -> None:
        try:
            self._buffer += await anext(self._pieces)
        except StopAsyncIteration:
            raise LostError("it broke off") from None

    async def header(self, key: str) -> Header:
        while HEADER not in self._buffer:
            if len(self._buffer) > _MOST_NOISE:
                raise LostError("the machine answers something else")
            await self._more()
        self._buffer = self._buffer.partition(HEADER)[2]
        while b"\n" not in self._buffer:
            await self._more()
        line, _, self._buffer = self._buffer.partition(b"\n")
        header = parse_header(line)
        if header is not None:
            return header
        if line == b"missing":
            raise CollectError(Reason("output_gone", f"The folder of {key} is not there any more."), final=True)
        raise CollectError(Reason("unreadable_reply", "The answer is not readable."), retry_after=timedelta(minutes=1))

    async def copy(self, size: int, sink: Sink | None) -> bytes:
        """Pass so many bytes on; returns the end of them, one byte more than a tail holds if there are more."""
        end = b""
        while size:
            if not self._buffer:
                await self._more()
            piece, self._buffer = self._buffer[:size], self._buffer[size:]
            size -= len(piece)
            end = (end + piece)[-TAIL_BYTES - 1 :]
            if sink is not None:
                await sink.write(piece)
        return end
