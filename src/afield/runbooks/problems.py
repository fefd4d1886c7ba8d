"""What is wrong with a runbook, and where. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from afield.model.jsontypes import JsonObject

Path: TypeAlias = tuple[str | int, ...]
"""Where in a runbook: ("steps", 0, "command")."""


class Level(StrEnum):
    """How much a problem matters."""

    ERROR = "error"  # the runbook cannot be approved
    WARNING = "warning"  # it can, and somebody should look
    INFO = "info"  # it would be better otherwise


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong. Line and column count from 1, in the whole document."""

    line: int
    column: int
    severity: Level
    code: str
    message: str
    hint: str = ""
    path: str = ""

    def to_json(self) -> JsonObject:
        """As the command line and the API show it."""
        return {
            "line": self.line,
            "column": self.column,
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "path": self.path,
        }


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether any of them forbids the runbook's use."""
    return any(problem.severity is Level.ERROR for problem in problems)


def path_text(path: Path) -> str:
    """`steps[0].command`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")
