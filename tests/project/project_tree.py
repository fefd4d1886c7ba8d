"""The project's own files, as a commit would hold them."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"


def _ignored_names() -> list[str]:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return [".git", *(line.rstrip("/") for line in lines if line and not line.startswith("#"))]


_IGNORED = _ignored_names()


def files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file below `folder` that .gitignore does not leave out, without asking git: a copy has no repository."""
    for path in sorted(folder.iterdir()):
        if any(fnmatch(path.name, pattern) for pattern in _IGNORED):
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


def text_files() -> Iterator[tuple[Path, str]]:
    """Path and text of every file that is text."""
    for path in files():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def copy_tree(destination: Path) -> Path:
    """A copy of the project as a fresh clone would be."""
    for path in files():
        copy = destination / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        copy.chmod(path.stat().st_mode)
    return destination
