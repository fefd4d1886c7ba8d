"""Passing a request on to a container, and its answer back, unchanged but for what belongs to one connection."""

import uuid
from collections.abc import AsyncIterator, Mapping

import aiohttp
import orjson
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from . import errors
from .container import Container
from .gate import ReplyLostError
from .pool import Pool
from .session import Session

_ONE_CONNECTION = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host", "expect"}
)
_RUN_ROUTES = frozenset({"runs", "execute", "executions"})


def passed_on(headers: Mapping[str, str] | CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The headers that are about more than one connection."""
    named = {word.strip().lower() for word in headers.get("Connection", "").split(",")}
    kept = ((name, value) for name, value in headers.items() if name.lower() not in _ONE_CONNECTION | named)
    return CIMultiDict(kept)


def without_identifier(target: str) -> str:
    """A path and query without the parameter `identifier`; the rest as it was written."""
    path, mark, query = target.partition("?")
    kept = [part for part in query.split("&") if part.partition("=")[0] != "identifier"]
    return path + (mark + "&".join(kept) if kept and mark else "")


def inner_target(raw: str) -> str:
    """The path and query a container sees, from `/pools/{pool}/...` as it was written."""
    path, mark, query = raw.partition("?")
    return "/" + "".join(path.split("/", 3)[3:]) + mark + query


async def forward(http: web.Request, pool: Pool, session: Session, target: str) -> web.StreamResponse:
    """Send the request to the session's container; PoolError 502 when it cannot be reached.

    `target` is the path and query as they were written, from the container's point of view. ReplyLostError when the
    answer is to be lost, or breaks off.
    """
    container, world = session.container, pool.world
    assert container is not None
    url, body = URL(container.url + target, encoded=True), http.content if http.can_read_body else None
    pool.tally.forwarded += 1
    world.pulse.beat()
    run = is_run(http.method, target)
    lost = run and world.faults.strikes(pool.faults.reply_lost)
    try:
        answer = await world.http.request(
            http.method, url, headers=passed_on(http.headers), data=body, allow_redirects=False
        )
    except aiohttp.ClientError:
        await container.notice_end()
        raise errors.bad_gateway() from None
    async with answer:
        try:
            content = await answer.read() if run else None
            if content is not None:
                _count_run(container, answer.status, content)
            if lost:
                raise ReplyLostError
            return await _relay(http, answer, content)
        except aiohttp.ClientError:
            await container.notice_end()
            raise ReplyLostError from None


async def _relay(http: web.Request, answer: aiohttp.ClientResponse, content: bytes | None) -> web.StreamResponse:
    """Hand the answer on, piece by piece unless it was read already."""
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=passed_on(answer.headers))
    response.headers.setdefault("Server", errors.SERVER)
    await response.prepare(http)
    async for piece in _pieces(answer, content):
        await response.write(piece)
    await response.write_eof()
    return response


async def _pieces(answer: aiohttp.ClientResponse, content: bytes | None) -> AsyncIterator[bytes]:
    if content is not None:
        if content:
            yield content
        return
    async for piece in answer.content.iter_any():
        yield piece


def is_run(method: str, target: str) -> bool:
    """Whether a request has code run, by the last word of its path."""
    return method == "POST" and target.partition("?")[0].rstrip("/").rpartition("/")[2] in _RUN_ROUTES


def _count_run(container: Container, status: int, content: bytes) -> None:
    """Count a run that was accepted, by the id its answer names, else by one of its own."""
    if status >= 300:
        return
    try:
        told = orjson.loads(content)
    except ValueError:
        told = None
    run_id = told.get("run_id") if isinstance(told, dict) else None
    container.seen[run_id if isinstance(run_id, str) else uuid.uuid4().hex] += 1
