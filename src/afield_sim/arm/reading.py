"""Reading files without blocking the loop."""

import asyncio
from pathlib import Path


async def read_from(path: Path, start: int, size: int) -> bytes:
    """At most `size` bytes of a file from `start`; empty when there are none, or no file."""

    def read() -> bytes:
        if not path.exists():
            return b""
        with path.open("rb") as file:
            file.seek(start)
            return file.read(size)

    return await asyncio.to_thread(read)
