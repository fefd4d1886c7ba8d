"""An artifact store in memory."""

from __future__ import annotations


class MemoryArtifacts:
    """Keeps artifacts in `stored`, by name, and their media types in `media_types`."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.media_types: dict[str, str] = {}

    def sink(self, name: str) -> MemorySink:
        return MemorySink(self, name)


class MemorySink:
    """Takes one artifact; it is stored by `commit` alone."""

    def __init__(self, store: MemoryArtifacts, name: str) -> None:
        self._store = store
        self._name = name
        self._parts: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self._parts.append(bytes(data))

    async def commit(self, media_type: str) -> str:
        self._store.stored[self._name] = b"".join(self._parts)
        self._store.media_types[self._name] = media_type
        return self._name

    async def abort(self) -> None:
        self._parts.clear()
