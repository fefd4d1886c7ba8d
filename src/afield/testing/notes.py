"""Notes in memory."""

from __future__ import annotations


class MemoryNotes:
    """Keeps notes in `kept`, in clear."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def put(self, key: str, value: str) -> None:
        self.kept[key] = value

    async def get(self, key: str) -> str | None:
        return self.kept.get(key)

    async def drop(self, key: str) -> None:
        self.kept.pop(key, None)
