"""Blobs in memory, and what may be done to them. No HTTP."""

import itertools
from dataclasses import dataclass, field
from enum import StrEnum

from . import errors

MAX_BLOCK = 4 * 1024 * 1024
MAX_BLOCKS = 50_000


class BlobType(StrEnum):
    """The kinds of blobs there are here."""

    APPEND = "AppendBlob"
    BLOCK = "BlockBlob"


@dataclass(slots=True)
class Blob:
    """One blob; times in seconds since 1970."""

    type: BlobType
    modified_at: float
    etag: str
    content_type: str
    content: bytearray = field(default_factory=bytearray)
    blocks: int = 0


class BlobStore:
    """Containers of blobs of one account."""

    def __init__(self, *containers: str) -> None:
        self._containers: dict[str, dict[str, Blob]] = {name: {} for name in containers}
        self._numbers = itertools.count(0x8DD0000000000)

    def add_container(self, name: str) -> None:
        """Add one; BlobError 409 when it is there."""
        if name in self._containers:
            raise errors.container_exists()
        self._containers[name] = {}

    def container(self, name: str) -> dict[str, Blob]:
        """The blobs of a container by name; BlobError 404."""
        if name not in self._containers:
            raise errors.container_not_found()
        return self._containers[name]

    def get(self, container: str, name: str) -> Blob:
        """One blob; BlobError 404."""
        blob = self.container(container).get(name)
        if blob is None:
            raise errors.blob_not_found()
        return blob

    def put(self, container: str, name: str, kind: BlobType, content: bytes, *, content_type: str, now: float) -> Blob:
        """A new blob, in place of one that is there; an append blob is empty at first."""
        blob = Blob(kind, now, self._etag(), content_type, bytearray(content))
        self.container(container)[name] = blob
        return blob

    def append(self, blob: Blob, block: bytes, position: int | None, now: float) -> int:
        """Append a block, at `position` if one is given; where it begins. BlobError 409, 412, 413."""
        if blob.type is not BlobType.APPEND:
            raise errors.invalid_type()
        if len(block) > MAX_BLOCK:
            raise errors.too_large()
        if blob.blocks >= MAX_BLOCKS:
            raise errors.too_many_blocks()
        offset = len(blob.content)
        if position not in {None, offset}:
            raise errors.wrong_position()
        blob.content += block
        blob.blocks += 1
        blob.modified_at, blob.etag = now, self._etag()
        return offset

    def delete(self, container: str, name: str) -> None:
        """Remove a blob; BlobError 404."""
        self.get(container, name)
        del self._containers[container][name]

    def _etag(self) -> str:
        return f'"0x{next(self._numbers):X}"'
