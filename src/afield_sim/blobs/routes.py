"""The operations on containers and blobs, over HTTP."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import formatdate
from uuid import uuid4

from aiohttp import web

from ..clock import Clock
from . import errors
from .errors import BlobError
from .gate import BlobGate
from .sas import VERSION, Permission
from .store import Blob, BlobStore, BlobType

PREFIX = "/blobs"
_CONTAINER = PREFIX + "/{account}/{container}"
_BLOB = _CONTAINER + "/{blob:.+}"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")

Handler = Callable[[web.Request], Awaitable[web.Response]]


class BlobRoutes:
    """Put Blob, Append Block, Get Blob, Get Blob Properties, Delete Blob, Create Container."""

    def __init__(self, store: BlobStore, gate: BlobGate, clock: Clock) -> None:
        self._store = store
        self._gate = gate
        self._clock = clock

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_put(_CONTAINER, self._answering(self.create_container))
        router.add_put(_BLOB, self._answering(self.put))
        router.add_get(_BLOB, self._answering(self.get))
        router.add_delete(_BLOB, self._answering(self.delete))

    async def create_container(self, http: web.Request) -> web.Response:
        """Create Container; takes the account's key."""
        self._gate.check(http)
        if http.query.get("restype") != "container" or "comp" in http.query:
            raise errors.unsupported()
        self._store.add_container(http.match_info["container"])
        return web.Response(status=201)

    async def put(self, http: web.Request) -> web.Response:
        """Put Blob or Append Block, as `comp` says."""
        operation = http.query.get("comp", "")
        if operation == "appendblock":
            return await self._append(http)
        if operation:
            raise errors.unsupported()
        return await self._create(http)

    async def get(self, http: web.Request) -> web.Response:
        """Get Blob, a range of it if one is asked for; or its properties alone (HEAD)."""
        self._gate.check(http, Permission.READ)
        if "comp" in http.query:
            raise errors.unsupported()
        blob = self._store.get(*_name(http))
        headers = {**_show(blob), "Accept-Ranges": "bytes"}
        if http.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(len(blob.content))})
        wanted = _read_range(http.headers.get("x-ms-range", http.headers.get("Range", "")), len(blob.content))
        if wanted is None:
            return web.Response(body=bytes(blob.content), headers=headers)
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{len(blob.content)}"
        return web.Response(body=bytes(blob.content[wanted.start : wanted.stop]), status=206, headers=headers)

    async def delete(self, http: web.Request) -> web.Response:
        """Delete Blob."""
        self._gate.check(http, Permission.DELETE)
        self._store.delete(*_name(http))
        return web.Response(status=202)

    async def _create(self, http: web.Request) -> web.Response:
        container, name = _name(http)
        self._gate.check(http, Permission.WRITE, Permission.CREATE)
        if name in self._store.container(container):
            if http.headers.get("If-None-Match") == "*":
                raise errors.blob_exists()
            self._gate.check(http, Permission.WRITE)
        kind, content = _read_type(http), await http.read()
        if kind is BlobType.APPEND and content:
            raise errors.invalid_header("Content-Length")
        media = http.headers.get("x-ms-blob-content-type") or http.headers.get("Content-Type")
        media = media or "application/octet-stream"
        blob = self._store.put(container, name, kind, content, content_type=media, now=self._clock.now())
        return web.Response(status=201, headers=_show_version(blob))

    async def _append(self, http: web.Request) -> web.Response:
        self._gate.check(http, Permission.ADD, Permission.WRITE)
        blob = self._store.get(*_name(http))
        position = http.headers.get("x-ms-blob-condition-appendpos")
        if position is not None and not position.isdecimal():
            raise errors.invalid_header("x-ms-blob-condition-appendpos")
        block, wanted = await http.read(), None if position is None else int(position)
        offset = self._store.append(blob, block, wanted, self._clock.now())
        counts = {"x-ms-blob-append-offset": str(offset), "x-ms-blob-committed-block-count": str(blob.blocks)}
        return web.Response(status=201, headers={**_show_version(blob), **counts})

    def _answering(self, handler: Handler) -> Handler:
        """The handler with its errors as XML, and the headers every answer has."""

        async def handle(http: web.Request) -> web.Response:
            request_id, now = str(uuid4()), self._clock.now()
            try:
                response = await handler(http)
            except BlobError as error:
                time = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
                body = error.body(request_id, time)
                response = web.Response(body=body, status=error.status, content_type="application/xml")
                response.headers["x-ms-error-code"] = error.code
            response.headers["x-ms-request-id"] = request_id
            response.headers["x-ms-version"] = http.headers.get("x-ms-version", VERSION)
            return response

        return handle


def _name(http: web.Request) -> tuple[str, str]:
    return http.match_info["container"], http.match_info["blob"]


def _read_type(http: web.Request) -> BlobType:
    try:
        return BlobType(http.headers.get("x-ms-blob-type", ""))
    except ValueError:
        raise errors.invalid_header("x-ms-blob-type") from None


def _read_range(text: str, size: int) -> range | None:
    """The bytes asked for; None for all of them. A range of another form is ignored, as HTTP wants it."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2]) if found[2] else size
    if first >= size or last < first:
        raise errors.invalid_range()
    return range(first, min(last + 1, size))


def _show(blob: Blob) -> dict[str, str]:
    shown = {**_show_version(blob), "Content-Type": blob.content_type, "x-ms-blob-type": str(blob.type)}
    if blob.type is BlobType.APPEND:
        shown["x-ms-blob-committed-block-count"] = str(blob.blocks)
    return shown


def _show_version(blob: Blob) -> dict[str, str]:
    return {"ETag": blob.etag, "Last-Modified": formatdate(blob.modified_at, usegmt=True)}
