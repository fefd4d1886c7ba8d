"""What the runner answers, read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from afield.connectors.base import Entry, RemoteState
from afield.connectors.command import exit_reason
from afield.model.execution import Reason

HEADER = b"afield-runner 1\n"

_STATES: Mapping[str, RemoteState] = {
    "running": RemoteState.RUNNING,
    "stopping": RemoteState.RUNNING,
    "unkept": RemoteState.RUNNING,
    "cancelled": RemoteState.CANCELLED,
    "timed_out": RemoteState.TIMED_OUT,
    "died": RemoteState.FAILED,
}
_REASONS: Mapping[str, Reason] = {
    "died": Reason(
        "died_without_a_word",
        "The script and its keeper are gone and left no exit code: the machine was restarted, or both were killed. "
        "How far the script came is not known.",
    ),
    "unkept": Reason("keeper_gone", "The script runs on, but its keeper was killed: its exit code will not be known."),
    "timed_out": Reason("time_over", "The machine stopped it because its time was over."),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """A look's answer. `whole` is False when it was cut short or the folder cannot be read."""

    entries: tuple[Entry, ...] = ()
    whole: bool = False
    missing: bool = False  # there is no state folder (yet)


@dataclass(frozen=True, slots=True)
class Header:
    """What comes before an output: how the script ended, and the sizes of stdout and stderr in bytes."""

    word: str
    exit_code: int | None
    out: int
    err: int


def body(answer: bytes) -> str | None:
    """The answer itself, after whatever the login shell had to say; None when there is none."""
    _, header, rest = answer.partition(HEADER)
    return rest.decode("utf-8", errors="replace") if header else None


def said(answer: bytes) -> tuple[str, str]:
    """The first word of a one-line answer, and the rest of it."""
    first, _, rest = (body(answer) or "").strip().partition(" ")
    return first, rest.strip()


def parse_listing(answer: bytes) -> Listing:
    lines = (body(answer) or "").splitlines()
    if not lines or not lines[-1].startswith("done ") or "unreadable" in lines:
        return Listing()
    entries = [_entry(line.split(" ")) for line in lines[:-1] if line != "missing"]
    whole = None not in entries
    return Listing(tuple(entry for entry in entries if entry is not None), whole, missing="missing" in lines)


def _entry(fields: list[str]) -> Entry | None:
    if len(fields) != 5:
        return None
    key, word, code, since, until = fields
    state, reason = judge(word, _number(code))
    return Entry(
        handle=key,
        status=f"{word} {code}" if word == "ended" else word,
        state=state,
        created_at=_time(since),
        started_at=_time(since),
        finished_at=_time(until),
        name=key,
        reason=reason,
    )


def judge(word: str, code: int | None) -> tuple[RemoteState, Reason | None]:
    """What the runner's word means. A word we do not know is nobody's guess."""
    if word != "ended" or code is None:
        return _STATES.get(word, RemoteState.UNKNOWN), _REASONS.get(word)
    if code == 0:
        return RemoteState.SUCCEEDED, None
    return RemoteState.FAILED, exit_reason(code)


def parse_header(line: bytes) -> Header | None:
    """The line before an output; None when there is no such output."""
    fields = line.decode("utf-8", errors="replace").split()
    if len(fields) != 5 or fields[0] != "output" or not (fields[3].isdecimal() and fields[4].isdecimal()):
        return None
    return Header(fields[1], _number(fields[2]), int(fields[3]), int(fields[4]))


def parse_facts(answer: bytes) -> dict[str, list[str]] | None:
    """A diagnosis' facts: name -> values; None when the runner did not answer."""
    text = body(answer)
    if text is None:
        return None
    facts: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        facts.setdefault(name, []).append(value)
    return facts


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _time(text: str) -> datetime | None:
    number = _number(text)
    return None if number is None else datetime.fromtimestamp(number, UTC)
