"""Finding the machine that a ticket is about. Pure, and never a guess: a machine is found only where the ticket holds
its whole name or its id, without regard to case; none or several is a question to a person.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from afield.runbooks.tickets.mapping import as_text, look_up
from afield.runbooks.tickets.model import TicketIn

NAME_FIELDS = (
    "ci_name",
    "cmdb_ci",
    "cmdb_ci.name",
    "cmdb_ci.display_value",
    "configuration_item",
    "vm_name",
    "vm",
    "hostname",
    "host",
    "server",
    "node",
    "instance",
    "labels.instance",
    "labels.host",
    "labels.hostname",
    "labels.node",
    "labels.vm",
    "custom_details.host",
)
"""Fields of a ticket that may name a machine, in the order in which they are asked."""

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9])?"
TEXT_RULES = (
    ("named", re.compile(rf"\b(?:host|server|vm|machine|node|instance|ci)\s*(?:name)?\s*[:=]\s*({_NAME})", re.I)),
    ("a machine", re.compile(rf"\b(?:host|server|vm|machine|node|instance)\s+['\"`]?({_NAME})", re.I)),
    ("on", re.compile(rf"\b(?:on|at|from)\s+['\"`]?({_NAME})", re.I)),
    ("quoted", re.compile(rf"['\"`]({_NAME})['\"`]")),
    ("bracketed", re.compile(rf"[\[(<]({_NAME})[\])>]")),
    ("a word with a digit or a hyphen", re.compile(rf"(?<![\w.-])(?=[A-Za-z0-9_.]*[\d-])({_NAME})(?![\w-])")),
)
"""Where a text may name a machine. What they find counts only if it is the whole name of one."""

_RESOURCE_ID = re.compile(
    r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.Compute/virtualMachines/[A-Za-z0-9_.-]+", re.I
)
_MOST_TEXT = 20_000
_MOST_SHOWN = 10


class MachineLike(Protocol):
    """What has to be known of a machine."""

    @property
    def name(self) -> str: ...
    @property
    def remote_id(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def location(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ResolveStep:
    """One rule that was tried: what it looked at, which names it found there, and what came of them."""

    rule: str
    looked_at: str
    names: tuple[str, ...]
    result: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """What was tried, and what came of it: one machine, or a question."""

    steps: tuple[ResolveStep, ...]
    ids: tuple[str, ...]  # remote ids of what was found
    question: str  # empty when it is one machine

    @property
    def remote_id(self) -> str | None:
        """The machine's id at its account, if it is clear which one it is."""
        return self.ids[0] if len(self.ids) == 1 else None


def resolve(ticket: TicketIn, machines: Sequence[MachineLike]) -> Resolution:
    """The machine a ticket is about: by its fields, then by its text, then by an id in it. The first rule that finds
    any machine decides; if it finds several, that is the question."""
    known = _Known(machines)
    steps: list[ResolveStep] = []
    for rule, looked_at, names in _places(ticket):
        found = known.of_ids(names) if rule == "id" else known.of_names(names)
        steps.append(ResolveStep(rule, looked_at, names, _result(names, found)))
        if found:
            ids = tuple(machine.remote_id for machine in found)
            return Resolution(tuple(steps), ids, "" if len(found) == 1 else _which(found))
    return Resolution(tuple(steps), (), _none(ticket, steps, known))


def _places(ticket: TicketIn) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Where to look, in order: the rule, the place, the names that are there."""
    if ticket.ci_name:
        yield "field", "ci_name", _forms(ticket.ci_name)
    for path in NAME_FIELDS:
        value = as_text(look_up(ticket.fields, path)).strip()
        if value:
            yield "field", path, _forms(value)
    for place, text in (("title", ticket.title), ("description", ticket.description)):
        cut = text[:_MOST_TEXT]
        for rule, pattern in TEXT_RULES:
            names = _unique(form for found in pattern.findall(cut) for form in _forms(found))
            if names:
                yield f"text: {rule}", place, names
    ids = _unique(_RESOURCE_ID.findall(f"{ticket.title}\n{ticket.description}"[:_MOST_TEXT]))
    if ids:
        yield "id", "text", ids


def _forms(value: str) -> tuple[str, ...]:
    """A name as it stands there, without a port, and the first label of a full domain name."""
    plain = value.strip().strip(".,;'\"`")
    host, colon, port = plain.rpartition(":")
    host = host if colon and port.isdecimal() else plain
    return _unique((plain, host, host.partition(".")[0]))


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


class _Known:
    """The machines, by what they are called. Names and ids differ by more than case."""

    def __init__(self, machines: Sequence[MachineLike]) -> None:
        self.names = sorted({machine.name for machine in machines})
        self._by_name: dict[str, list[MachineLike]] = {}
        self._by_id: dict[str, MachineLike] = {}
        for machine in machines:
            self._by_name.setdefault(machine.name.casefold(), []).append(machine)
            self._by_id[machine.remote_id.casefold()] = machine

    def of_names(self, names: Iterable[str]) -> list[MachineLike]:
        found = (machine for name in names for machine in self._by_name.get(name.casefold(), ()))
        return list({machine.remote_id.casefold(): machine for machine in found}.values())

    def of_ids(self, ids: Iterable[str]) -> list[MachineLike]:
        return [self._by_id[one.casefold()] for one in ids if one.casefold() in self._by_id]


def _result(names: Sequence[str], found: Sequence[MachineLike]) -> str:
    if not found:
        return "no machine is called so"
    return f"it is {found[0].name}" if len(found) == 1 else f"{len(found)} machines"


def _which(found: Sequence[MachineLike]) -> str:
    """The question when there are several: what sets them apart."""
    shown = "; ".join(f"{m.name} in {m.group or '?'} ({m.location or '?'}): {m.remote_id}" for m in found[:_MOST_SHOWN])
    more = f"; and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    return f"The ticket fits {len(found)} machines. Which one is it? {shown}{more}."


def _none(ticket: TicketIn, steps: Sequence[ResolveStep], known: _Known) -> str:
    """The question when there is none. Similar names are told, and never taken."""
    tried = _unique(name for step in steps for name in step.names)
    if not tried:
        return f"Ticket {ticket.external_id} names no machine, neither in its fields nor in its text. Which one is it?"
    close = _unique(near for name in tried for near in difflib.get_close_matches(name, known.names, n=3, cutoff=0.75))
    hint = f" Similar names are {', '.join(close[:_MOST_SHOWN])}." if close else ""
    looked_for = ", ".join(tried[:_MOST_SHOWN])
    return f"None of the {len(known.names)} machines known here is called {looked_for}. Which one is it?{hint}"
