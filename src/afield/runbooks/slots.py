"""Every text of a step that may hold placeholders, and how a value is written into it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import JsonValue

from afield.runbooks.model import (
    AnyRollback,
    AnyStep,
    AnyWork,
    ApprovalStep,
    CommandWork,
    HttpWork,
    ManualStep,
    QueryWork,
    RunStep,
    Shell,
)
from afield.runbooks.placeholders import Spot, Use, uses, uses_in_bash
from afield.runbooks.problems import Path

_SQL_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|(\$[A-Za-z_]*\$).*?\1", re.DOTALL)
_JSON_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class SlotKind(StrEnum):
    """What a text is, and with that how a value is written into it."""

    BASH = "bash"  # as one quoted word
    POWERSHELL = "powershell"  # not at all: environment variables only
    SQL = "sql"  # as a bind parameter
    URL = "url"  # percent-encoded
    JSON_TEXT = "json_text"  # as JSON
    VALUE = "value"  # as it is: what sends the value encodes it
    PROSE = "prose"  # as it is: only people and comparisons read it


@dataclass(frozen=True, slots=True)
class Slot:
    """One text, and where it stands."""

    path: Path
    text: str
    kind: SlotKind


def slots(step: AnyStep, path: Path) -> Iterator[Slot]:
    """All texts of a step and of its rollback; `path` is the step's."""
    yield Slot((*path, "description"), step.description, SlotKind.PROSE)
    if isinstance(step, ManualStep):
        return
    if isinstance(step, ApprovalStep):
        yield Slot((*path, "question"), step.question, SlotKind.PROSE)
        return
    shell = shell_of(step)
    yield from work_slots(step, path, shell)
    if step.expected_output:
        yield Slot((*path, "expected_output"), step.expected_output, SlotKind.PROSE)
    if step.rollback is not None:
        yield from work_slots(step.rollback, (*path, "rollback"), shell)


def shell_of(step: RunStep) -> Shell:
    """What reads the step's command, if it has one."""
    shell = getattr(step, "shell", Shell.BASH)
    return shell if isinstance(shell, Shell) else Shell.BASH


def work_slots(work: AnyWork | AnyRollback, path: Path, shell: Shell) -> Iterator[Slot]:
    """The texts that say what is done."""
    if isinstance(work, CommandWork):
        kind = SlotKind.BASH if shell is Shell.BASH else SlotKind.POWERSHELL
        yield Slot((*path, "command"), work.command, kind)
    elif isinstance(work, QueryWork):
        yield Slot((*path, "query"), work.query, SlotKind.SQL)
        yield from _values(dict(work.parameters), (*path, "parameters"))
    elif isinstance(work, HttpWork):
        yield Slot((*path, "url"), work.url, SlotKind.URL)
        if isinstance(work.body, str):
            yield Slot((*path, "body"), work.body, SlotKind.JSON_TEXT)
        else:
            yield from _values(work.body, (*path, "body"))


def uses_of(slot: Slot) -> list[Use]:
    """The placeholders of a text, each with its spot; Spot.WORD is where a value may go."""
    match slot.kind:
        case SlotKind.BASH:
            return uses_in_bash(slot.text)
        case SlotKind.SQL:
            return _outside(slot.text, _SQL_QUOTED)
        case SlotKind.JSON_TEXT:
            return _outside(slot.text, _JSON_QUOTED)
        case SlotKind.POWERSHELL:
            return [replace(use, spot=Spot.UNCLEAR) for use in uses(slot.text)]
    return list(uses(slot.text))


def _outside(text: str, quoted: re.Pattern[str]) -> list[Use]:
    covered = [match.span() for match in quoted.finditer(text)]
    return [
        replace(use, spot=Spot.QUOTES) if any(a <= use.start < b for a, b in covered) else use for use in uses(text)
    ]


def _values(value: JsonValue, path: Path) -> Iterator[Slot]:
    if isinstance(value, str):
        yield Slot(path, value, SlotKind.VALUE)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _values(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _values(inner, (*path, place))
