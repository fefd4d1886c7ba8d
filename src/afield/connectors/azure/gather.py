"""Bringing a run command's output into the artifact store."""

from __future__ import annotations

from collections.abc import AsyncIterator

from afield.connectors.azure.blobs import read_blob
from afield.connectors.azure.target import VmTarget
from afield.connectors.azure.view import RunCommandView
from afield.connectors.azure.wire import OutputBlobs, result_of
from afield.connectors.base import Output, Sink
from afield.connectors.command import CommandResult

_TEXT = "text/plain; charset=utf-8"


async def gather(view: RunCommandView, blobs: OutputBlobs | None, sink: Sink, vm: VmTarget) -> Output:
    """Standard output, then standard error: whole from the blobs, else the ends Azure shows. Raises CollectError."""
    return await store(sink, _poured(view, blobs, vm), result_of(view))


async def store(sink: Sink, pieces: AsyncIterator[bytes], result: CommandResult) -> Output:
    """The pieces as one artifact, if there are any, beside what is known of the command."""
    size = 0
    try:
        async for piece in pieces:
            size += len(piece)
            await sink.write(piece)
        if not size:
            await sink.abort()
        artifact = await sink.commit(_TEXT) if size else None
    except BaseException:  # nothing half-written stays, whatever ended this
        await sink.abort()
        raise
    return Output(artifact=artifact, size=size, media_type=_TEXT, detail=result.to_json())


async def shown(result: CommandResult) -> AsyncIterator[bytes]:
    """Both streams, as far as they were shown."""
    for text in (result.stdout, result.stderr):
        if text:
            yield text.encode()


async def _poured(view: RunCommandView, blobs: OutputBlobs | None, vm: VmTarget) -> AsyncIterator[bytes]:
    for url, end in _streams(view, blobs):
        async for piece in _pour(url, end, vm):
            yield piece


def _streams(view: RunCommandView, blobs: OutputBlobs | None) -> tuple[tuple[str, str], tuple[str, str]]:
    stdout, stderr = (blobs.stdout, blobs.stderr) if blobs is not None else ("", "")
    return (stdout, view.output), (stderr, view.error)


async def _pour(url: str, end: str, vm: VmTarget) -> AsyncIterator[bytes]:
    """One stream; its end as Azure shows it, where there is no blob."""
    empty = True
    if url:
        async for piece in read_blob(vm.api.session, url, vm.limits.request_timeout):
            empty = False
            yield piece
    if empty and end:
        yield end.encode()
