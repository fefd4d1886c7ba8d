"""Finding the one YAML block of a markdown document. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^(`{3,}|~{3,})\s*([^`]*?)\s*$")
_MARK = "---"


@dataclass(frozen=True, slots=True)
class Block:
    """A YAML block; `first_line` is the document's line, from 0, on which its text begins."""

    text: str
    first_line: int
    marked: bool = False  # the fence says ```yaml runbook


def blocks(text: str) -> list[Block]:
    """Front matter and fenced YAML blocks, in order."""
    lines = text.split("\n")
    front = _front_matter(lines)
    found = [front] if front else []
    start = len(front.text.split("\n")) + 1 if front else 0
    return found + _fenced(lines, start)


def the_block(found: list[Block]) -> Block | None:
    """The runbook's block: the only one, or the only one marked as such."""
    marked = [block for block in found if block.marked]
    candidates = marked or found
    return candidates[0] if len(candidates) == 1 else None


def _front_matter(lines: list[str]) -> Block | None:
    if not lines or lines[0].lstrip("\ufeff").rstrip() != _MARK:
        return None
    end = next((place for place, line in enumerate(lines[1:], 1) if line.rstrip() == _MARK), None)
    return None if end is None else Block("\n".join(lines[1:end]) + "\n", 1)


def _fenced(lines: list[str], start: int) -> list[Block]:
    found: list[Block] = []
    place = start
    while place < len(lines):
        opening = _FENCE.match(lines[place])
        if opening is None:
            place += 1
            continue
        end = _closing(lines, place + 1, opening[1])
        words = opening[2].lower().split()
        if words and words[0] in {"yaml", "yml"}:
            found.append(Block("\n".join(lines[place + 1 : end]) + "\n", place + 1, "runbook" in words[1:]))
        place = end + 1
    return found


def _closing(lines: list[str], start: int, fence: str) -> int:
    """The line that closes the fence; without one, it runs to the end."""
    closing = re.compile(rf"^{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    return next((place for place in range(start, len(lines)) if closing.match(lines[place])), len(lines))
