"""Which row goes with which entry. Pure; identity only, nothing is judged here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from afield.connectors.base import Entry, Match
from afield.model.execution import Tracked
from afield.model.ids import parse_attempt_key
from afield.model.states import LIVE, ExecutionState
from afield.reconcile.sides import Sides, current_handle

_SEEKING = frozenset(
    {ExecutionState.SUBMITTING, ExecutionState.UNCONFIRMED, ExecutionState.QUEUED, ExecutionState.LOST}
)
_SOME_EARLIER_ATTEMPT = 0


@dataclass(frozen=True, slots=True)
class Found:
    """The one entry that is what became of a row's attempt. `attempt` 0: of some earlier one."""

    entry: Entry
    attempt: int


@dataclass(frozen=True, slots=True)
class Surplus:
    """An entry that belongs to an execution which has, or is given, another one."""

    entry: Entry
    execution_id: UUID
    attempt: int


@dataclass(slots=True)
class Ties:
    """Every entry is in exactly one of `owned`, `elsewhere`, `found`, `surplus`, `claimants`, `strangers`."""

    owned: dict[UUID, Entry] = field(default_factory=dict)  # by row
    found: dict[UUID, Found] = field(default_factory=dict)  # by row
    choices: dict[UUID, list[Entry]] = field(default_factory=dict)  # by row: any of these could be it
    claimants: dict[str, list[UUID]] = field(default_factory=dict)  # by handle: it could be any of these rows'
    proven: set[UUID] = field(default_factory=set)  # rows whose choices all match exactly
    elsewhere: list[tuple[Entry, UUID]] = field(default_factory=list)  # owned by a row that is not compared
    surplus: list[Surplus] = field(default_factory=list)
    strangers: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Edge:
    row_id: UUID
    attempt: int
    handle: str


def tie(sides: Sides) -> Ties:
    """Tie entries to rows: by id where one is known, by exact match where exactly one is, else not at all."""
    ties = Ties()
    rows = {row.id: row for row in sides.rows}
    free = _by_handle(sides, _unique(sides.snapshot.entries), rows, ties)
    seeking = {r.id: r for r in sides.rows if r.id not in ties.owned and _seeks(r)}
    exact, possible = _matches(sides, rows, seeking, free)
    kept = _newest_attempts(exact, seeking)
    _resolve(kept, free, ties)
    claimed = {edge.handle for edge in exact}
    settled = ties.found.keys() | ties.choices.keys()
    _offer((e for e in possible if e.row_id not in settled and e.handle not in claimed), free, ties)
    _leftovers(exact, free, ties)
    return ties


def _seeks(row: Tracked) -> bool:
    """Whether an entry would be news for it. A live row without an id was brought in from elsewhere."""
    return row.state in _SEEKING or (row.state in LIVE and row.handle is None)


def _unique(entries: Iterable[Entry]) -> dict[str, Entry]:
    """One entry per handle. Of two states of one handle the later word counts: the one with an end."""
    ordered = sorted(entries, key=lambda e: (e.handle, e.finished_at is not None, e.started_at is not None, e.status))
    return {entry.handle: entry for entry in ordered}


def _by_handle(
    sides: Sides, entries: Mapping[str, Entry], rows: Mapping[UUID, Tracked], ties: Ties
) -> dict[str, Entry]:
    """Give entries to those who hold their handle; returns the rest, also what a row held before it was sent again."""
    holders = {handle: row.id for row in rows.values() if (handle := current_handle(row))}
    free: dict[str, Entry] = {}
    for handle, entry in entries.items():
        owner = sides.owners.get(handle)
        if handle in holders:
            ties.owned[holders[handle]] = entry
        elif owner is not None and owner not in rows:
            ties.elsewhere.append((entry, owner))
        else:
            free[handle] = entry
    return free


def _matches(
    sides: Sides, rows: Mapping[UUID, Tracked], seeking: Mapping[UUID, Tracked], free: Mapping[str, Entry]
) -> tuple[list[_Edge], list[_Edge]]:
    """All pairs of an attempt and an entry that match, exactly or possibly."""
    held = {handle for handle in free if handle in sides.owners}
    exact = [_Edge(sides.owners[handle], _SOME_EARLIER_ATTEMPT, handle) for handle in sorted(held)]
    exact += _named(sides, rows, free, held)
    by_name: dict[str | None, list[Entry]] = defaultdict(list)
    for entry in free.values():
        by_name[entry.name].append(entry)
    possible: list[_Edge] = []
    for intent in sides.intents:
        row = rows.get(intent.execution_id)
        if row is not None and intent.attempt > row.attempt:
            continue  # not sent yet
        for entry in by_name.get(intent.key) or free.values():
            verdict = Match.NO if entry.handle in held else sides.match(intent, entry)
            if verdict is Match.EXACT:
                exact.append(_Edge(intent.execution_id, intent.attempt, entry.handle))
            elif verdict is Match.POSSIBLE and intent.execution_id in seeking:
                possible.append(_Edge(intent.execution_id, intent.attempt, entry.handle))
    return exact, possible


def _named(sides: Sides, rows: Mapping[UUID, Tracked], free: Mapping[str, Entry], held: Collection[str]) -> list[_Edge]:
    """Entries that carry the name of an attempt of ours for which no intent was given: the name is the proof."""
    given = {(intent.execution_id, intent.attempt) for intent in sides.intents}
    edges: list[_Edge] = []
    for entry in free.values():
        key = parse_attempt_key(entry.name or "")
        if key is not None and key not in given and entry.handle not in held:
            row = rows.get(key[0])
            if row is not None and key[1] <= row.attempt:
                edges.append(_Edge(*key, entry.handle))
    return edges


def _newest_attempts(exact: Sequence[_Edge], seeking: Mapping[UUID, Tracked]) -> list[_Edge]:
    """Of each row that looks for its entry only the newest attempt that has one: older ones are surplus."""
    newest: dict[UUID, int] = {}
    for edge in exact:
        newest[edge.row_id] = max(edge.attempt, newest.get(edge.row_id, 0))
    return [e for e in exact if e.row_id in seeking and e.attempt == newest[e.row_id]]


def _resolve(edges: Sequence[_Edge], free: Mapping[str, Entry], ties: Ties) -> None:
    """One row and one entry that have only each other are found; the rest is for a person to choose."""
    of_row: dict[UUID, list[_Edge]] = defaultdict(list)
    of_entry: dict[str, list[_Edge]] = defaultdict(list)
    for edge in edges:
        of_row[edge.row_id].append(edge)
        of_entry[edge.handle].append(edge)
    open_edges: list[_Edge] = []
    for row_id, mine in of_row.items():
        if len(mine) == 1 and len(of_entry[mine[0].handle]) == 1:
            ties.found[row_id] = Found(free[mine[0].handle], mine[0].attempt)
        else:
            ties.proven.add(row_id)
            open_edges += mine
    _offer(open_edges, free, ties)


def _offer(edges: Iterable[_Edge], free: Mapping[str, Entry], ties: Ties) -> None:
    for row_id, handle in sorted({(edge.row_id, edge.handle) for edge in edges}):
        ties.choices.setdefault(row_id, []).append(free[handle])
        ties.claimants.setdefault(handle, []).append(row_id)


def _leftovers(exact: Sequence[_Edge], free: Mapping[str, Entry], ties: Ties) -> None:
    """What is tied to nothing: a second execution of something of ours, or a stranger."""
    taken = ties.claimants.keys() | {found.entry.handle for found in ties.found.values()}
    proven = {e.handle: e for e in sorted(exact, key=lambda e: (e.row_id, e.attempt), reverse=True)}
    for handle, entry in free.items():
        if handle in taken:
            continue
        if handle in proven:
            ties.surplus.append(Surplus(entry, proven[handle].row_id, proven[handle].attempt))
        else:
            ties.strangers.append(entry)
