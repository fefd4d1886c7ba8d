"""Bringing an output home: its parts are streamed into one file, and fetched again where the transfer breaks."""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp
import structlog
from yarl import URL

from afield.connectors.amc.answer import Failed, error_text, reason
from afield.connectors.amc.client import AmcClient
from afield.connectors.amc.csv_join import BadPartError, CsvJoin, Unpack
from afield.connectors.amc.wire import output_columns, parse_download_urls, parse_execution
from afield.connectors.base import CollectError, Entry, Limits, Output, Sink
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason

log = structlog.get_logger(__name__)

MEDIA_TYPE = "text/csv"

_TRIES = 4  # for each part, each with fresh URLs
_CHUNK = 1 << 16
_NOT_READY = "unavailable for download"


class _BrokenTransferError(Exception):
    """A transfer that fresh URLs may mend."""


class Downloader:
    """Collects outputs of one instance."""

    def __init__(self, client: AmcClient, limits: Limits) -> None:
        self._client = client
        self._not_ready_pause = limits.min_interval
        seconds = limits.request_timeout.total_seconds()
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)

    async def collect(self, handle: str, entry: Entry | None, sink: Sink) -> Output:
        """The whole output of `handle` into `sink`. `entry` is its last entry, if there is one at hand.

        Raises CollectError, CredentialError; then nothing is left in the sink.
        """
        try:
            entry = entry or await self._execution(handle)
            joined = _Joined(sink)
            parts = await self._parts(handle, joined)
            artifact = await sink.commit(MEDIA_TYPE)
        except BaseException:
            await sink.abort()
            raise
        return joined.output(artifact, parts, entry)

    async def _parts(self, handle: str, joined: _Joined) -> int:
        urls = await self._urls(handle)
        for index in range(len(urls)):
            urls = await self._part(handle, urls, index, joined)
            reach(FaultPoint.DURING_COLLECT)
        return len(urls)

    async def _part(self, handle: str, urls: Sequence[str], index: int, joined: _Joined) -> Sequence[str]:
        """One part, whole; returns the URLs that worked. A broken transfer goes on where it broke."""
        part = _Part(joined)
        for attempt in range(1, _TRIES + 1):
            try:
                await self._transfer(urls[index], part)
                await part.end()
            except (_BrokenTransferError, BadPartError) as error:
                if isinstance(error, BadPartError) and not error.agrees:
                    raise CollectError(Reason("parts_disagree", f"Output of {handle}: {error}."), final=True) from error
                log.info("amc.transfer_broken", handle=handle, part=index, attempt=attempt, why=str(error))
                problem = str(error)
            else:
                return urls
            if attempt < _TRIES:
                urls = same_parts(urls, await self._urls(handle))
        text = f"Part {index + 1} of {len(urls)} of the output of {handle} could not be had: {problem}."
        raise CollectError(Reason("download_failed", text))

    async def _transfer(self, url: str, part: _Part) -> None:
        """One transfer. The URL is signed: it carries its own right, so it gets no token and is never logged."""
        try:
            async with self._client.session.get(
                URL(url, encoded=True), timeout=self._timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise _BrokenTransferError(f"the download was answered {response.status}")
                part.restart(response.headers.get("ETag"))
                async for data in response.content.iter_chunked(_CHUNK):
                    await part.feed(data)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _BrokenTransferError(f"the transfer broke off ({type(error).__name__})") from None

    # ------------------------------------------------------------------ questions to AMC

    async def _execution(self, handle: str) -> Entry:
        answer = await self._client.call("GET", self._client.executions_url(handle))
        if isinstance(answer, Failed) or not answer.ok:
            raise CollectError(reason(answer, f"Execution {handle}"), retry_after=answer.retry_after)
        entry = parse_execution(answer.body)
        if entry is None:
            raise CollectError(Reason("unreadable_reply", f"AMC's reply about execution {handle} is not readable."))
        return entry

    async def _urls(self, handle: str) -> Sequence[str]:
        what = f"The download URLs of {handle}"
        answer = await self._client.call("GET", self._client.executions_url(handle, "downloadUrls"))
        if isinstance(answer, Failed):
            raise CollectError(reason(answer, what), retry_after=answer.retry_after)
        if not answer.ok:
            not_ready = 400 <= answer.status < 500 and _NOT_READY in error_text(answer)
            if not_ready:
                why = Reason("not_ready", f"AMC does not offer the output of {handle} for download yet.")
                raise CollectError(why, retry_after=answer.retry_after or self._not_ready_pause)
            raise CollectError(reason(answer, what), retry_after=answer.retry_after)
        urls = parse_download_urls(answer.body)
        if not urls:
            raise CollectError(Reason("unreadable_reply", f"{what}: AMC's reply names none."))
        return urls


def same_parts(before: Sequence[str], fresh: Sequence[str]) -> Sequence[str]:
    """Fresh URLs in the order of those before: by their paths where these stay, else as AMC orders them.

    Raises CollectError when the number of parts has changed.
    """
    if len(before) != len(fresh):
        text = f"The output had {len(before)} parts and now has {len(fresh)}; it is collected from the start."
        raise CollectError(Reason("parts_changed", text))
    by_path = {URL(url, encoded=True).raw_path: url for url in fresh}
    paths = [URL(url, encoded=True).raw_path for url in before]
    return [by_path[path] for path in paths] if by_path.keys() == set(paths) and len(by_path) == len(fresh) else fresh


class _Joined:
    """The joined output on its way into the sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.csv = CsvJoin()
        self._size = 0

    async def write(self, data: bytes) -> None:
        if data:
            await self._sink.write(data)
            self._size += len(data)

    def output(self, artifact: str, parts: int, entry: Entry) -> Output:
        return Output(
            artifact=artifact,
            size=self._size,
            media_type=MEDIA_TYPE,
            rows=self.csv.rows,
            columns=self.csv.columns or (),
            detail={
                "parts": parts,
                "output_columns": [column.to_json() for column in output_columns(entry)],
                "execution_time_s": entry.echo.get("executionTime"),
            },
        )


class _Part:
    """One part on its way, over as many transfers as it takes: a repeated one skips what is here already."""

    def __init__(self, joined: _Joined) -> None:
        self._joined = joined
        self._unpack = Unpack()
        self._received = 0
        self._skip = 0
        self._etag: str | None = None
        joined.csv.begin()

    def restart(self, etag: str | None) -> None:
        """A transfer begins. Raises CollectError when it is of something else than the one before."""
        if self._received and etag != self._etag:
            text = "The output changed while it was collected; it is collected from the start."
            raise CollectError(Reason("parts_changed", text))
        self._etag = etag
        self._skip = self._received

    async def feed(self, data: bytes) -> None:
        fresh = data[self._skip :]
        self._skip = max(0, self._skip - len(data))
        self._received += len(fresh)
        for piece in self._unpack.feed(fresh) if fresh else ():
            await self._joined.write(self._joined.csv.feed(piece))

    async def end(self) -> None:
        """All of it is here. Raises BadPartError when it is not."""
        await self._joined.write(self._joined.csv.feed(self._unpack.end()))
        await self._joined.write(self._joined.csv.end())
