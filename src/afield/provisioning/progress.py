"""What an agent says while it works: numbered lines in a file of its own attempt, which the worker carries into the
ledger. A process that is killed has said all that it wrote; nothing is said twice, since lines have their places.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic

from pydantic import Field, JsonValue, ValidationError

from afield.provisioning.brief import Frozen
from afield.telemetry.logs import hide, hide_text

MOST_LINES = 5_000
"""Of one attempt. An agent that says more is not heard any more."""

_MOST_TEXT = 4_000
_EVERY_S = 0.25  # between two lines of progress


class Severity(StrEnum):
    """As cloud logs name them."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    NOTICE = "NOTICE"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LineKind(StrEnum):
    """What a line is about; the name of its event in a stream."""

    STAGE = "stage"  # an agent began or ended
    LOG = "log"
    PROGRESS = "progress"  # data: percent
    RESULT = "result"  # what an agent made, in short
    ERROR = "error"  # why an agent failed
    DONE = "done"  # the job has ended; nothing comes after it unless somebody takes the job up again


class Line(Frozen):
    """One thing that was said."""

    at: datetime
    kind: LineKind
    severity: Severity = Severity.INFO
    agent: str = ""  # empty: the job itself
    message: str = ""
    data: dict[str, JsonValue] = Field(default_factory=dict)


class Teller:
    """Writes the lines of one attempt. Blocks for as long as a short write takes; may be used from any thread."""

    def __init__(self, spool: Path, agent: str) -> None:
        spool.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(spool, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._agent = agent
        self._told = 0
        self._percent = -1
        self._at = float("-inf")

    def close(self) -> None:
        os.close(self._file)

    def say(
        self,
        kind: LineKind,
        message: str,
        *,
        severity: Severity = Severity.INFO,
        **data: JsonValue,
    ) -> None:
        """Say something. What looks like a secret is hidden."""
        self._told += 1
        if self._told > MOST_LINES and kind in {LineKind.LOG, LineKind.PROGRESS}:
            return
        shown = {name: hide(value, name) for name, value in data.items()}
        line = Line.model_validate(
            {
                "at": datetime.now(UTC),
                "kind": kind,
                "severity": severity,
                "agent": self._agent,
                "message": hide_text(message)[:_MOST_TEXT],
                "data": shown,
            }
        )
        os.write(self._file, line.model_dump_json().encode() + b"\n")

    def log(self, message: str, *, severity: Severity = Severity.INFO, **data: JsonValue) -> None:
        """Say something for people who follow."""
        self.say(LineKind.LOG, message, severity=severity, **data)

    def progress(self, share: float, message: str = "") -> None:
        """How far the agent is, 0 to 1. Small steps in quick succession are left out."""
        percent = int(100 * min(1.0, max(0.0, share)))
        if percent == self._percent or (monotonic() - self._at < _EVERY_S and percent < 100):
            return
        self._percent, self._at = percent, monotonic()
        self.say(LineKind.PROGRESS, message, percent=percent)


def read_lines(spool: bytes) -> Iterator[tuple[int, Line]]:
    """The whole lines of a spool file with their places, from 1 on. One that cannot be read is passed over."""
    whole, _, _ = spool.rpartition(b"\n")
    for number, text in enumerate(whole.split(b"\n") if whole else (), 1):
        try:
            yield number, Line.model_validate_json(text)
        except ValidationError:
            continue
