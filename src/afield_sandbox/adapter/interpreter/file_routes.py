"""Files and state of an identifier: `/files`, `/session`, `/reset`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePosixPath

from aiohttp import web

from afield_sandbox.adapter.answers import answer
from afield_sandbox.adapter.asked import identifier_of
from afield_sandbox.adapter.clock import rfc3339
from afield_sandbox.adapter.errors import NotFoundError
from afield_sandbox.adapter.interpreter import told
from afield_sandbox.adapter.interpreter.folder import SHOWN, Folder
from afield_sandbox.adapter.interpreter.multipart import read_upload
from afield_sandbox.adapter.interpreter.workspaces import Workspaces

Groups = Mapping[str, str]


class FileRoutes:
    """Up, down, list, delete, in the words of the contract that `api-version` names; without one, the new."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def upload(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """POST /files."""
        return await self._upload(request, old=_old(request))

    async def upload_old(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """POST /files/upload."""
        return await self._upload(request, old=True)

    async def _upload(self, request: web.BaseRequest, *, old: bool) -> web.Response:
        identifier = identifier_of(request)
        upload = read_upload(await request.read())
        stored = self._workspaces.upload(identifier, _below(request, upload.name), upload.content)
        return answer(told.files_old([stored]) if old else told.file_new(stored))

    async def listing(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """GET /files: all, or those below `path`."""
        folder = _below(request, "")
        files = [file for file in self._folder(request) if PurePosixPath(file.name).is_relative_to(folder)]
        if _old(request):
            return answer(told.files_old(files))
        return answer({"value": [told.file_new(file) for file in files], "nextLink": None})

    async def show(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """GET /files/{name}."""
        return answer(told.file_new(self._folder(request).get(_below(request, groups["name"]))))

    async def content(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """GET /files/{name}/content, and /files/content/{name}."""
        file = self._folder(request).get(_below(request, groups["name"]))
        return web.Response(body=file.content, content_type="application/octet-stream")

    async def delete(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """DELETE /files/{name}."""
        self._folder(request).delete(_below(request, groups["name"]))
        return answer({"message": "file deleted successfully"}) if _old(request) else web.Response(status=204)

    async def session(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """GET /session."""
        identifier = identifier_of(request)
        workspace = self._workspaces.find(identifier)
        if workspace is None:
            raise _no_session()
        used = workspace.used_at
        expires = used + timedelta(seconds=min(self._workspaces.idle_s, 1e8))
        body = {"identifier": identifier, "createdAt": rfc3339(workspace.created_at), "lastAccessedAt": rfc3339(used)}
        return answer(body | {"expireAt": rfc3339(expires), "etag": f'"{used.timestamp():.6f}"'})

    async def delete_session(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """DELETE /session."""
        if not await self._workspaces.forget(identifier_of(request)):
            raise _no_session()
        return web.Response(status=204)

    async def reset(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """POST /reset."""
        return answer({"reset": await self._workspaces.forget(identifier_of(request))})

    def _folder(self, request: web.BaseRequest) -> Folder:
        workspace = self._workspaces.find(identifier_of(request))
        if workspace is None:
            return Folder()
        workspace.touch()
        return workspace.folder


def _no_session() -> NotFoundError:
    return NotFoundError("Nothing is kept for this identifier.", code="SessionWithIdentifierNotFound")


def _old(request: web.BaseRequest) -> bool:
    return request.query.get("api-version", "") in told.OLD_VERSIONS


def _below(request: web.BaseRequest, name: str) -> str:
    """The name with the folder that `path` names in front; both may say where the folder is shown."""
    folder = request.query.get("path", "").removeprefix(SHOWN).strip("/")
    return str(PurePosixPath(folder, name.removeprefix(f"{SHOWN}/")))
