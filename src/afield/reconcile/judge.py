"""What a tie, or the lack of one, means: exactly one finding for each row and each entry. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from afield.connectors.base import Entry, RemoteState
from afield.model.execution import Tracked
from afield.model.finding import Finding, FindingKind, Repair, RepairKind, Severity
from afield.model.ids import parse_attempt_key
from afield.model.jsontypes import JsonObject
from afield.model.states import IN_DOUBT, LIVE, ExecutionState, OutputState
from afield.reconcile.evidence import local_side, look_side, remote_side, time_text
from afield.reconcile.sides import Sides, Why, current_handle, last_sign, on_the_wire
from afield.reconcile.tie import Found, Surplus

_K, _S, _R = FindingKind, ExecutionState, RemoteState

AGREEING: Mapping[ExecutionState, frozenset[RemoteState]] = {
    _S.SUBMITTED: frozenset({_R.WAITING}),
    _S.RUNNING: frozenset({_R.RUNNING, _R.WAITING}),
    _S.SUCCEEDED: frozenset({_R.SUCCEEDED}),
    _S.FAILED: frozenset({_R.FAILED}),
    _S.CANCELLED: frozenset({_R.CANCELLED}),
    _S.TIMED_OUT: frozenset({_R.TIMED_OUT, _R.CANCELLED}),  # a remote knows a stop by us as a cancel
    _S.REJECTED: frozenset({_R.REJECTED}),
}
"""The remote states that say the same as a state here."""

LIVE_THERE = frozenset({_R.WAITING, _R.RUNNING, _R.UNKNOWN})
"""Remote states that may still change; an unknown word is one of them."""

_STOPPED = frozenset({_R.CANCELLED, _R.REJECTED})

RISKS: Mapping[RepairKind, str] = {
    RepairKind.SYNC_STATUS: "None: takes the remote's word, which is kept verbatim, and collects the output.",
    RepairKind.ADOPT: "None: starts nothing; ties the row to a remote execution that nobody else holds.",
    RepairKind.MARK_LEGACY: "None remotely: the row is closed as lost, with the reason `legacy`.",
    RepairKind.RESUBMIT: "Runs the work again; if the old attempt turns up after all, it has run twice.",
    RepairKind.CANCEL_REMOTE: "Stops remote work; what it has done so far is lost.",
    RepairKind.IGNORE: "The difference stays, and is not reported again.",
}

_CHOOSE_RISK = "A guess: if the row is tied to the wrong execution, it shows somebody else's outcome."
_ORPHAN_RISK = "Stops remote work that another Afield may be waiting for."
_IGNORE = Repair(RepairKind.IGNORE, RISKS[RepairKind.IGNORE])


def _offer(kind: RepairKind, handle: str | None = None, risk: str | None = None) -> tuple[Repair, ...]:
    """A repair, and the choice to leave things as they are."""
    return (Repair(kind, risk or RISKS[kind], handle), _IGNORE)


@dataclass(frozen=True, slots=True)
class Judge:
    """Writes findings about one comparison. `at_work`: rows whose work another execution does."""

    sides: Sides
    at_work: frozenset[UUID] = frozenset()

    def _finding(
        self,
        kind: FindingKind,
        why: Why,
        severity: Severity,
        explanation: str,
        *,
        row: Tracked | None = None,
        entry: Entry | None = None,
        repairs: tuple[Repair, ...] = (),
        local: JsonObject | None = None,
        remote: JsonObject | None = None,
    ) -> Finding:
        return Finding(
            kind=kind,
            why=why,
            severity=severity,
            target_id=self.sides.target_id,
            explanation=explanation,
            execution_id=row.id if row else None,
            handle=entry.handle if entry else (current_handle(row) if row else None),
            local=(local_side(row) if row else {}) | (local or {}),
            remote=(remote_side(entry) if entry else look_side(self.sides.snapshot)) | (remote or {}),
            repairs=repairs,
        )

    @property
    def _could_not_look(self) -> str:
        error = self.sides.snapshot.error
        return f"the look was not complete ({error.text or error.code})" if error else "the look was not complete"

    def _too_early(self, row: Tracked) -> bool:
        return self.sides.snapshot.taken_at < last_sign(row) + self.sides.limits.max_visibility_delay

    def _on_the_wire(self, row: Tracked) -> bool:
        return on_the_wire(row, self.sides.now, self.sides.limits)

    def _may_still_appear(self, row: Tracked) -> bool:
        return self._on_the_wire(row) or self._too_early(row)

    # ------------------------------------------------------------------------------ known on both sides

    def owned(self, row: Tracked, entry: Entry) -> Finding:
        """A row and the entry it holds the id of."""
        if entry.state in AGREEING.get(row.state, ()):
            text = f"Both sides say the same: {row.state} here, {entry.status} there."
            return self._finding(_K.MATCHED, Why.AGREED, Severity.OK, text, row=row, entry=entry)
        if entry.state is RemoteState.UNKNOWN and row.state is not ExecutionState.LOST:
            text = f"The remote says {entry.status!r}, a word nobody here knows; it is kept, and taken for live."
            return self._finding(_K.MATCHED, Why.UNKNOWN_WORD, Severity.WARNING, text, row=row, entry=entry)
        if row.state_at > self.sides.snapshot.taken_at:
            text = f"It became {row.state} here after the look began; the next look will tell."
            return self._finding(_K.TOO_EARLY, Why.NEWER_HERE, Severity.INFO, text, row=row, entry=entry)
        if row.state is ExecutionState.LOST:
            text = f"It was given up as lost, and the remote shows it after all ({entry.status})."
            return self._behind(row, entry, Why.LATE_ARRIVAL, Severity.WARNING, text)
        if row.state in LIVE:
            return self._live_here(row, entry)
        return self._ended_here(row, entry)

    def _live_here(self, row: Tracked, entry: Entry) -> Finding:
        if entry.state in LIVE_THERE:
            text = f"The remote is further on: {entry.status} there, {row.state} here."
            return self._behind(row, entry, Why.BEHIND, Severity.INFO, text)
        ours = row.cancel_requested_at is not None or row.cancel_asked_at is not None
        if entry.state is RemoteState.CANCELLED and not ours:
            text = f"Somebody cancelled it at the remote; here it is still {row.state}."
            return self._behind(row, entry, Why.CANCELLED_REMOTELY, Severity.WARNING, text)
        if entry.state is RemoteState.REJECTED:
            said = entry.reason.text or entry.reason.code if entry.reason else "without a reason"
            text = f"The remote rejected it ({said}); here it is still {row.state}."
            return self._behind(row, entry, Why.REJECTED_REMOTELY, Severity.WARNING, text)
        text = f"It ended at the remote ({entry.status}); here it is still {row.state}."
        return self._behind(row, entry, Why.STALE_STATUS, Severity.WARNING, text)

    def _behind(self, row: Tracked, entry: Entry, why: Why, severity: Severity, text: str) -> Finding:
        repairs = _offer(RepairKind.SYNC_STATUS, entry.handle)
        return self._finding(_K.STATUS_MISMATCH, why, severity, text, row=row, entry=entry, repairs=repairs)

    def _ended_here(self, row: Tracked, entry: Entry) -> Finding:
        if entry.state in LIVE_THERE:
            text = f"It is {row.state} here, but the remote still has it as {entry.status}."
            why, repairs = Why.LIVE_THERE, _offer(RepairKind.CANCEL_REMOTE, entry.handle)
        else:
            text = f"It is {row.state} here and {entry.status} there; neither can be changed any more."
            why, repairs = Why.ENDS_DIFFER, (_IGNORE,)
        return self._finding(_K.STATUS_MISMATCH, why, Severity.ERROR, text, row=row, entry=entry, repairs=repairs)

    def elsewhere(self, entry: Entry, owner: UUID) -> Finding:
        """An entry held by an execution that is not compared now."""
        text = f"It belongs to execution {owner}, which is outside this comparison."
        local: JsonObject = {"execution_id": str(owner)}
        return self._finding(_K.MATCHED, Why.OUT_OF_SCOPE, Severity.OK, text, entry=entry, local=local)

    # ------------------------------------------------------------------------------ an id nobody noted

    def found(self, row: Tracked, found: Found) -> Finding:
        """A row without an id, and the one entry that is it."""
        entry = found.entry
        if not self.sides.snapshot.complete:
            text = f"We never learned its id; {entry.handle} could be it, but {self._could_not_look}."
            return self._no_id(row, Why.INCOMPLETE, Severity.WARNING, text, entry=entry)
        if self._on_the_wire(row):
            text = f"The remote already shows it as {entry.handle}; the reply that says so is still awaited."
            return self._no_id(row, Why.TOO_EARLY, Severity.INFO, text, entry=entry)
        late = row.state in {ExecutionState.QUEUED, ExecutionState.LOST} or found.attempt < row.attempt
        number = f"Attempt {found.attempt}" if found.attempt else "An earlier attempt"
        text = f"We never learned its id; the remote shows it as {entry.handle} ({entry.status})."
        if late:
            text = f"{number} had been given up, and the remote shows it after all as {entry.handle} ({entry.status})."
        return self._no_id(
            row,
            Why.LATE_ARRIVAL if late else Why.UNCONFIRMED,
            Severity.WARNING,
            text,
            entry=entry,
            repairs=_offer(RepairKind.ADOPT, entry.handle),
            local={"found_attempt": found.attempt},
        )

    def choices(self, row: Tracked, entries: Sequence[Entry], proven: bool) -> Finding:
        """A row without an id, and entries of which each could be it."""
        handles = sorted(entry.handle for entry in entries)
        remote: JsonObject = {"candidates": [remote_side(e) for e in sorted(entries, key=lambda e: e.handle)]}
        if not self.sides.snapshot.complete:
            text = f"We never learned its id, and {self._could_not_look}."
            return self._no_id(row, Why.INCOMPLETE, Severity.WARNING, text, remote=remote)
        if self._choice_is_early(row, proven):
            text = "We never learned its id; it is too early to say which remote execution it is, if any."
            return self._no_id(row, Why.TOO_EARLY, Severity.INFO, text, remote=remote)
        why = Why.SEVERAL if len(handles) > 1 or proven else Why.POSSIBLE
        text = f"We never learned its id; it could be {_or(handles)}, and nothing proves which."
        if why is Why.POSSIBLE:
            text = f"We never learned its id; {handles[0]} could be it, but nothing proves it."
        adopt = tuple(Repair(RepairKind.ADOPT, _CHOOSE_RISK, handle) for handle in handles)
        return self._finding(_K.AMBIGUOUS, why, Severity.ERROR, text, row=row, repairs=(*adopt, _IGNORE), remote=remote)

    def claimed(self, entry: Entry, claimants: Sequence[Tracked], proven: bool) -> Finding:
        """An entry that could be any of these rows'."""
        ids = sorted(str(row.id) for row in claimants)
        local: JsonObject = {"candidates": [*ids]}
        if not self.sides.snapshot.complete:
            return self._not_looked(entry, local)
        if any(self._choice_is_early(row, proven) for row in claimants):
            text = "It may belong to an execution here of which it is too early to say anything."
            return self._finding(_K.TOO_EARLY, Why.TOO_EARLY, Severity.INFO, text, entry=entry, local=local)
        why = Why.SEVERAL if len(ids) > 1 or proven else Why.POSSIBLE
        text = f"It could be execution {_or(ids)}; a person has to choose."
        stop = Repair(RepairKind.CANCEL_REMOTE, RISKS[RepairKind.CANCEL_REMOTE], entry.handle)
        repairs = (stop, _IGNORE) if entry.state in LIVE_THERE else (_IGNORE,)
        return self._finding(_K.AMBIGUOUS, why, Severity.ERROR, text, entry=entry, repairs=repairs, local=local)

    def _choice_is_early(self, row: Tracked, proven: bool) -> bool:
        """A possible match may be overtaken by an exact one that is not shown yet; several exact ones may not."""
        return self._on_the_wire(row) or (not proven and self._too_early(row))

    def _no_id(
        self,
        row: Tracked,
        why: Why,
        severity: Severity,
        text: str,
        *,
        entry: Entry | None = None,
        repairs: tuple[Repair, ...] = (),
        local: JsonObject | None = None,
        remote: JsonObject | None = None,
    ) -> Finding:
        return self._finding(
            _K.MISSING_REMOTE_ID,
            why,
            severity,
            text,
            row=row,
            entry=entry,
            repairs=repairs,
            local=local,
            remote=remote,
        )

    # ------------------------------------------------------------------------------ not shown

    def unseen(self, row: Tracked) -> Finding:
        """A row nothing in the look belongs to."""
        if row.state is ExecutionState.QUEUED:
            waiting = "It waits here to be sent" if row.attempt == 0 else "It waits here to be sent again"
            until = f", not before {time_text(row.retry_at)}" if row.retry_at else ""
            return self._no_id(row, Why.QUEUED, Severity.INFO, f"{waiting}{until}.")
        if current_handle(row) is not None:
            return self._unseen_with_id(row)
        return self._unseen_without_id(row)

    def _unseen_without_id(self, row: Tracked) -> Finding:
        if row.state is ExecutionState.REJECTED:
            said = f" ({row.reason.text or row.reason.code})" if row.reason else ""
            return self._no_id(row, Why.CREATE_FAILED, Severity.INFO, f"The remote refused to start it{said}.")
        if row.state in {ExecutionState.CANCELLED, ExecutionState.TIMED_OUT}:
            return self._no_id(row, Why.NOT_SENT, Severity.INFO, f"It is {row.state}, and nothing of it ran there.")
        if row.reason is not None and row.reason.code == Why.LEGACY:
            return self._no_id(row, Why.LEGACY, Severity.INFO, "An old row without an id, marked as such.")
        if row.state in IN_DOUBT and self._may_still_appear(row):
            decided = last_sign(row) + self.sides.limits.max_visibility_delay
            text = f"We do not know its id yet; a look after {time_text(decided)} can tell whether it arrived."
            return self._no_id(row, Why.TOO_EARLY, Severity.INFO, text)
        if not self.sides.snapshot.complete:
            text = f"We never learned its id, and {self._could_not_look}."
            return self._no_id(row, Why.INCOMPLETE, Severity.WARNING, text)
        return self._never_attempted(row) if row.attempt == 0 else self._in_doubt(row)

    def _never_attempted(self, row: Tracked) -> Finding:
        """A row brought in from elsewhere: without an attempt there is nothing to search for."""
        if self.sides.now - row.created_at < self.sides.limits.late_window:
            text = f"It is {row.state}, but neither an id nor an attempt was written down for it."
            return self._no_id(row, Why.UNCONFIRMED, Severity.WARNING, text)
        text = f"An old row, {row.state}, of which neither an id nor an attempt was written down."
        return self._no_id(row, Why.LEGACY, Severity.WARNING, text, repairs=_offer(RepairKind.MARK_LEGACY))

    def _in_doubt(self, row: Tracked) -> Finding:
        if row.state is ExecutionState.LOST:
            text = "A complete and late look showed that it never arrived."
            return self._no_id(row, Why.ABSENT, Severity.WARNING, text, repairs=self._resubmit(row))
        if row.state is not ExecutionState.UNCONFIRMED:
            text = f"It is {row.state} without an id, and the remote shows no trace of it; no driver has settled it."
            return self._no_id(row, Why.UNCONFIRMED, Severity.WARNING, text)
        if row.key not in self.sides.keys_asked:
            return self._no_id(row, Why.NOT_ASKED, Severity.INFO, "We never learned its id; this look did not ask.")
        text = f"Attempt {row.attempt} did not arrive: a complete look, late enough, shows no trace of it."
        return self._no_id(row, Why.ABSENT, Severity.WARNING, text, repairs=self._resubmit(row))

    def _resubmit(self, row: Tracked) -> tuple[Repair, ...]:
        """Not for what is to be cancelled, nor while another remote execution does the work."""
        unwanted = row.cancel_requested_at is not None or row.id in self.at_work
        return (_IGNORE,) if unwanted else _offer(RepairKind.RESUBMIT)

    def _unseen_with_id(self, row: Tracked) -> Finding:
        if not self.sides.snapshot.complete:
            text = f"Nothing can be said: {self._could_not_look}."
            return self._finding(_K.NOT_LOOKED, Why.INCOMPLETE, Severity.INFO, text, row=row)
        if row.state in LIVE and self._too_early(row):
            text = "The remote accepted it, and does not show it yet; new executions take a while to appear."
            return self._finding(_K.TOO_EARLY, Why.TOO_EARLY, Severity.INFO, text, row=row)
        if row.handle not in self.sides.handles_asked:
            text = "This look did not ask for it."
            return self._finding(_K.NOT_LOOKED, Why.NOT_ASKED, Severity.INFO, text, row=row)
        return self._absent_with_id(row)

    def _absent_with_id(self, row: Tracked) -> Finding:
        handle = row.handle
        if row.state in LIVE:
            seen = row.remote_seen_at
            why, text = Why.NEVER_SHOWN, f"The remote accepted it as {handle}, but a complete look does not show it."
            if seen:
                why, text = Why.VANISHED, f"The remote showed {handle} until {time_text(seen)}, and not any more."
            repairs = self._resubmit(row)
            return self._finding(_K.LOCAL_ONLY, why, Severity.ERROR, text, row=row, repairs=repairs)
        if row.state is ExecutionState.LOST:
            text = f"It is known to be lost: the remote does not show {handle}."
            repairs = self._resubmit(row)
            return self._finding(_K.LOCAL_ONLY, Why.LOST, Severity.WARNING, text, row=row, repairs=repairs)
        if row.output_state is OutputState.PENDING:
            text = f"It {row.state} here, but the remote does not list {handle} any more, and its output is not here."
            return self._finding(_K.LOCAL_ONLY, Why.FORGOTTEN, Severity.WARNING, text, row=row, repairs=(_IGNORE,))
        text = f"It ended here as {row.state}; the remote does not list {handle} any more."
        return self._finding(_K.LOCAL_ONLY, Why.FORGOTTEN, Severity.INFO, text, row=row)

    # ------------------------------------------------------------------------------ shown, and not known here

    def surplus(self, surplus: Surplus) -> Finding:
        """A second remote execution of one intent."""
        entry = surplus.entry
        local: JsonObject = {"execution_id": str(surplus.execution_id), "attempt": surplus.attempt}
        if not self.sides.snapshot.complete:
            return self._not_looked(entry, local)
        number = f"attempt {surplus.attempt}" if surplus.attempt else "an earlier attempt"
        whose = f"It is {number} of execution {surplus.execution_id}, which does not need it"
        if entry.state in LIVE_THERE:
            text, severity = f"{whose}, and it takes up a place at the remote ({entry.status}).", Severity.ERROR
            repairs = _offer(RepairKind.CANCEL_REMOTE, entry.handle)
        elif entry.state in _STOPPED:
            text, severity, repairs = f"{whose}; it was stopped ({entry.status}).", Severity.INFO, ()
        else:
            text, severity, repairs = f"{whose}; it ended ({entry.status}).", Severity.WARNING, (_IGNORE,)
        return self._finding(_K.REMOTE_ONLY, Why.SURPLUS, severity, text, entry=entry, repairs=repairs, local=local)

    def stranger(self, entry: Entry) -> Finding:
        """An entry no row and no intent explains."""
        if not self.sides.snapshot.complete:
            return self._not_looked(entry, {})
        key = parse_attempt_key(entry.name or "")
        if key is None:
            text = f"Somebody else runs it ({entry.status}); no execution here started it."
            return self._finding(_K.REMOTE_ONLY, Why.FOREIGN, Severity.INFO, text, entry=entry)
        live = entry.state in LIVE_THERE
        text = f"It bears the name of execution {key[0]}, which is not recorded here; another Afield may have sent it."
        repairs = _offer(RepairKind.CANCEL_REMOTE, entry.handle, _ORPHAN_RISK) if live else ()
        severity = Severity.WARNING if live else Severity.INFO
        return self._finding(_K.REMOTE_ONLY, Why.ORPHAN, severity, text, entry=entry, repairs=repairs)

    def _not_looked(self, entry: Entry, local: JsonObject) -> Finding:
        text = f"Nobody here holds it, but {self._could_not_look}, so it cannot be said whose it is."
        return self._finding(_K.NOT_LOOKED, Why.INCOMPLETE, Severity.INFO, text, entry=entry, local=local)


def at_work(surplus: Iterable[Surplus]) -> frozenset[UUID]:
    """The rows whose work a second execution does, or has done."""
    return frozenset(one.execution_id for one in surplus if one.entry.state not in _STOPPED)


def _or(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
