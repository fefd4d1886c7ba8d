"""What the screen shows of the demo: kept up to date by the acts."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from afield.demo.pulse import Pulse, p99
from afield.model.jsontypes import JsonObject
from afield.model.states import FINAL

_LANDED = frozenset(FINAL) - {"lost"}


@dataclass(slots=True)
class Scene:
    """What the screen shows: kept up to date by the story."""

    lines: list[str] = field(default_factory=list)
    rows: list[JsonObject] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    findings: Counter[str] = field(default_factory=Counter)
    sessions: list[JsonObject] = field(default_factory=list)  # with their steps
    contest: dict[str, list[tuple[str, bool]]] = field(default_factory=dict)  # by user: verdicts, and if they are right
    jobs: dict[str, JsonObject] = field(default_factory=dict)  # by site: how far they are
    pulses: tuple[float, Pulse] | None = None  # /healthz: p99 in ms before the jobs, and since

    def say(self, text: str) -> None:
        """Add a line to what happened."""
        self.lines.append(f"{time.monotonic() - self.started:5.1f}s  {text}")

    @property
    def landed(self) -> int:
        """Executions that came to an end, outputs included."""
        return sum(bool(row.get("complete")) and row["state"] in _LANDED for row in self.rows)

    @property
    def counts(self) -> Counter[str]:
        """Executions by state."""
        return Counter(str(row["state"]) for row in self.rows)

    @property
    def pulse(self) -> str:
        """How quickly the web process answers, before there were jobs and since."""
        if self.pulses is None:
            return ""
        before, since = self.pulses
        now = f"{p99(since.so_far):.1f} ms" if since.so_far else "not timed"
        return f"/healthz at the 99th percentile: {before:.1f} ms before, {now} since"
