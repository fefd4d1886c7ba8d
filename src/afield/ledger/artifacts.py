"""The artifact store: outputs as objects in a folder, or in a cloud's object store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from afield.errors import InvalidInputError, NotFoundError, UnavailableError

_PART = 8 * 1024 * 1024  # bytes of one part of an upload
_AHEAD = 4  # pieces that may wait for the store
_SMALL = 256 * 1024  # bytes up to which an artifact is put in one go: a stream costs several times as much CPU


class ArtifactStore:
    """Keeps artifacts by key. Implements `connectors.base.Artifacts`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def open(cls, url: str | None, home: Path) -> ArtifactStore:
        """The store at `url` (s3://, az://, gs://, file://, memory://), or the folder `home`/artifacts.

        Raises InvalidInputError for a URL that cannot be used.
        """
        if url is None or url.startswith("file://"):
            folder = Path(url.removeprefix("file://")) if url else home.expanduser() / "artifacts"
            return cls(LocalStore(folder.absolute(), mkdir=True))
        if url.startswith("memory:"):
            return cls(MemoryStore())
        try:
            return cls(from_url(url))
        except Exception as error:
            raise InvalidInputError(
                f"The artifact store cannot be used ({type(error).__name__}).", hint=_HINT
            ) from error

    def sink(self, name: str) -> ArtifactSink:
        """A sink for the artifact `name`. Raises InvalidInputError unless it is a plain relative path."""
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\0" in name:
            raise InvalidInputError(f"{name!r} is not a name for an artifact.")
        return ArtifactSink(self._store, name)

    async def size(self, key: str) -> int:
        """Bytes. Raises NotFoundError."""
        try:
            return (await obstore.head_async(self._store, key))["size"]
        except FileNotFoundError as error:
            raise _missing(key) from error

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """The content, piece by piece. Raises NotFoundError."""
        try:
            found = await obstore.get_async(self._store, key)
        except FileNotFoundError as error:
            raise _missing(key) from error
        async for piece in found.stream():
            yield bytes(piece)


_HINT = "Check AFIELD_ARTIFACTS_URL: s3://bucket/prefix, az://account/container, gs://bucket, file:///folder."


def _missing(key: str) -> NotFoundError:
    return NotFoundError(f"There is no artifact {key!r}.")


class _AbortedError(Exception):
    """Ends an upload so that nothing of it is kept."""


class ArtifactSink:
    """Streams one artifact into the store. It is there, whole, after `commit`, and not at all without."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store = store
        self._key = key
        self._held: list[bytes] = []  # all of it, while it is small
        self._held_size = 0
        self._pieces: asyncio.Queue[bytes | _AbortedError | None] = asyncio.Queue(_AHEAD)
        self._upload: asyncio.Task[object] | None = None

    async def write(self, data: bytes) -> None:
        """Add a piece; waits while the store is behind. Raises UnavailableError when it cannot take it."""
        if self._upload is None:
            self._held.append(data)
            self._held_size += len(data)
            if self._held_size <= _SMALL:
                return
            data, self._held = b"".join(self._held), []
        if data:
            await self._hand_over(data)

    async def commit(self, media_type: str) -> str:
        """Finish; returns the key. The media type is kept with the execution: not every store can hold it."""
        if self._upload is None:
            await self._put(b"".join(self._held))
        else:
            await self._hand_over(None)
            await self._upload
        return self._key

    async def abort(self) -> None:
        """Forget what was written."""
        self._held = []
        if self._upload is None or self._upload.done():
            return
        await self._hand_over(_AbortedError())
        await asyncio.gather(self._upload, return_exceptions=True)

    async def _hand_over(self, piece: bytes | _AbortedError | None) -> None:
        upload = self._started()
        putting = asyncio.ensure_future(self._pieces.put(piece))
        await asyncio.wait({upload, putting}, return_when=asyncio.FIRST_COMPLETED)
        if not putting.done():
            putting.cancel()
            upload.result()

    def _started(self) -> asyncio.Task[object]:
        if self._upload is None:
            uploading = self._put(self._stream())
            self._upload = asyncio.get_running_loop().create_task(uploading, name=f"artifact {self._key}")
        return self._upload

    async def _put(self, content: bytes | AsyncIterator[bytes]) -> object:
        try:
            return await obstore.put_async(self._store, self._key, content, chunk_size=_PART)
        except BaseError as error:
            raise UnavailableError(
                f"The artifact store did not take {self._key!r} ({type(error).__name__}).", hint=_HINT
            ) from error

    async def _stream(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            if isinstance(piece, _AbortedError):
                raise piece
            yield piece
