"""The files behind the download URLs: in memory, or in a folder that survives a restart."""

from pathlib import Path
from typing import Protocol


class ResultStore(Protocol):
    """Keeps the CSV files of executions by id and part number (from 0)."""

    def put(self, execution_id: str, files: list[bytes]) -> None:
        """Keep the files of an execution."""

    def get(self, execution_id: str, part: int) -> bytes | None:
        """One file; None when it is not there."""

    def clear(self) -> None:
        """Forget all."""


class MemoryResults:
    """Files that go with the process."""

    def __init__(self) -> None:
        self._files: dict[str, list[bytes]] = {}

    def put(self, execution_id: str, files: list[bytes]) -> None:
        """Keep the files of an execution."""
        self._files[execution_id] = files

    def get(self, execution_id: str, part: int) -> bytes | None:
        """One file; None when it is not there."""
        files = self._files.get(execution_id, [])
        return files[part] if part < len(files) else None

    def clear(self) -> None:
        """Forget all."""
        self._files.clear()


class FolderResults:
    """Files in a folder, one per part."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def put(self, execution_id: str, files: list[bytes]) -> None:
        """Keep the files of an execution."""
        for part, content in enumerate(files):
            self._path(execution_id, part).write_bytes(content)

    def get(self, execution_id: str, part: int) -> bytes | None:
        """One file; None when it is not there."""
        path = self._path(execution_id, part)
        return path.read_bytes() if path.is_file() else None

    def clear(self) -> None:
        """Forget all."""
        for path in self._folder.glob("*.csv"):
            path.unlink()

    def _path(self, execution_id: str, part: int) -> Path:
        return self._folder / f"{execution_id}.{part}.csv"
