"""Files of a session, in the words of both contracts."""

from aiohttp import web

from . import errors
from .calls import Call, check_told
from .inside import Told
from .interpreter_wire import Contract, old_files

_PIECE = 64 * 1024


class FileCalls:
    """Up, down, list, delete. The container keeps the files and knows which folder `path` names."""

    async def upload(self, call: Call) -> web.Response:
        """Put a file into the session's folder; PoolError 413 when it is too large.

        The type in the header is not looked at: a published client sends `application/json` over a multipart body.
        """
        content = await _read_at_most(call.http, call.pool.world.settings.upload_limit_bytes)
        kind = call.http.headers.get("Content-Type", "application/octet-stream")
        entry = check_told(await call.inside.send("POST", "/files", content, kind, path=_folder(call))).json
        return call.respond(old_files([entry]) if call.contract is Contract.OLD else entry)

    async def list_all(self, call: Call) -> web.Response:
        """All files."""
        listed = check_told(await call.inside.ask("GET", "/files", path=_folder(call))).json
        return call.respond(old_files(listed["value"]) if call.contract is Contract.OLD else listed)

    async def get(self, call: Call) -> web.Response:
        """One file's entry."""
        return call.respond((await self._of_file(call, "GET")).json)

    async def content(self, call: Call) -> web.Response:
        """What is in a file."""
        return call.respond((await self._of_file(call, "GET", "/content")).body)

    async def delete(self, call: Call) -> web.Response:
        """Remove a file: 204, which the old contract words as a message."""
        await self._of_file(call, "DELETE")
        if call.contract is Contract.OLD:
            return call.respond({"message": "file deleted successfully"})
        return call.respond(None, 204)

    async def _of_file(self, call: Call, method: str, more: str = "") -> Told:
        return check_told(await call.inside.ask(method, f"/files/{call.part('name')}{more}", path=_folder(call)))


def _folder(call: Call) -> str:
    return call.http.query.get("path", "")


async def _read_at_most(http: web.Request, limit: int) -> bytes:
    """The body; PoolError 413 as soon as it is longer than `limit` bytes."""
    content = bytearray()
    async for piece in http.content.iter_chunked(_PIECE):
        content += piece
        if len(content) > limit:
            raise errors.too_large()
    return bytes(content)
