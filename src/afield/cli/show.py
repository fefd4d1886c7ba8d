"""How things look in a terminal. Pure: records in, renderables out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from afield.model.execution import Attempt, Event, Execution
from afield.model.states import ExecutionState, OutputState
from afield.model.target import Target

_COLOURS = {
    ExecutionState.QUEUED: "white",
    ExecutionState.SUBMITTING: "cyan",
    ExecutionState.UNCONFIRMED: "yellow",
    ExecutionState.SUBMITTED: "blue",
    ExecutionState.RUNNING: "bright_blue",
    ExecutionState.SUCCEEDED: "green",
    ExecutionState.FAILED: "red",
    ExecutionState.CANCELLED: "magenta",
    ExecutionState.TIMED_OUT: "red",
    ExecutionState.REJECTED: "red",
    ExecutionState.LOST: "bold red",
}


def state_text(state: ExecutionState) -> Text:
    """A state in its colour."""
    return Text(state, style=_COLOURS[state])


def span(delta: timedelta) -> str:
    """A span of time for reading: `4s`, `3m20s`, `2h05m`, `3d04h`. Past and future alike."""
    seconds = int(abs(delta.total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    return f"{seconds // 86400}d{seconds % 86400 // 3600:02}h"


def when(moment: datetime | None, now: datetime) -> str:
    """A moment relative to now: `in 4s`, `3m20s ago`, or `-`."""
    if moment is None:
        return "-"
    return f"in {span(moment - now)}" if moment > now else f"{span(now - moment)} ago"


def targets_table(targets: Iterable[Target], now: datetime) -> Table:
    """Targets with their drivers and the last look."""
    table = Table("target", "connector", "driver", "epoch", "last look", "look", box=None, pad_edge=False)
    for target in targets:
        look = target.look
        verdict = "-" if look is None else "complete" if look.complete else f"failed: {look.error}"
        looked = when(look.taken_at, now) if look else "-"
        table.add_row(target.name, target.connector, target.driver or "-", str(target.epoch), looked, verdict)
    return table


def executions_table(rows: Iterable[Execution], names: dict[str, str], now: datetime) -> Table:
    """Both sides of each execution, a line each. `names` gives a target's name by the text of its id."""
    table = Table(box=None, pad_edge=False)
    for heading in ("execution", "target", "here", "there", "try", "age", "next", "output", "reason"):
        table.add_column(heading, no_wrap=heading != "reason", overflow="ellipsis")
    for row in rows:
        table.add_row(
            str(row.id),
            names.get(str(row.target_id), "?"),
            state_text(row.state),
            row.remote_status or "-",
            str(row.attempt),
            span(now - row.created_at),
            next_text(row, now),
            "-" if row.output_state is OutputState.NONE else str(row.output_state),
            reason_text(row),
        )
    return table


def next_text(row: Execution, now: datetime) -> str:
    """When something is to happen with it next."""
    if row.complete:
        return "-"
    moment = row.retry_at or row.next_at
    return when(moment, now) if moment and moment > now else "now"


def reason_text(row: Execution) -> str:
    """Its reason, in one line."""
    return f"{row.reason.code}: {row.reason.text}" if row.reason else ""


def execution_card(
    row: Execution, target: Target, attempts: Sequence[Attempt], events: Sequence[Event]
) -> RenderableType:
    """One execution, whole: facts, attempts, and the timeline."""
    facts = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _facts(row, target):
        facts.add_row(Text(name, style="bold"), value)
    tries = Table("try", "key", "intent", "outcome", "remote id", box=None, pad_edge=False)
    for one in attempts:
        tries.add_row(str(one.number), one.key, _clock(one.intent_at), one.outcome, one.handle or "-")
    return Group(facts, "", tries, "", timeline(events))


def _facts(row: Execution, target: Target) -> list[tuple[str, str | Text]]:
    return [
        ("execution", str(row.id)),
        ("target", f"{target.name} ({target.connector})"),
        ("here", state_text(row.state)),
        ("there", f"{row.remote_status or '-'}  id {row.handle or '-'}  seen {_clock(row.remote_seen_at)}"),
        ("reason", reason_text(row) or "-"),
        ("output", f"{row.output_state} {row.output or ''}"),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(row.labels.items())) or "-"),
        ("created", _clock(row.created_at)),
        ("finished", _clock(row.finished_at)),
    ]


def timeline(events: Iterable[Event]) -> Table:
    """Events, oldest first."""
    table = Table("no", "at (UTC)", "event", "move", "try", "by", "why", box=None, pad_edge=False)
    for event in events:
        move = f"{event.from_state} -> {event.to_state}" if event.from_state != event.to_state else "-"
        why = f"{event.reason.code}: {event.reason.text}" if event.reason else ""
        attempt = "-" if event.attempt is None else str(event.attempt)
        table.add_row(str(event.seq), _clock(event.at), event.kind, move, attempt, event.actor, why)
    return table


def _clock(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"
