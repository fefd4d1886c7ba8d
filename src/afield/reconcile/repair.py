"""Settling findings: first which repairs to make (pure), then making them, each with its line in the audit trail.

Everything can be repeated: a move is made only while the row is as the finding saw it, so a second application finds
nothing to do, and what a crash leaves half done is a true state that the next comparison continues from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from afield.clock import Clock
from afield.connectors.base import Intent, Known, LookQuery, Match, Snapshot
from afield.connectors.registry import AnyConnector
from afield.errors import AfieldError, ConflictError, InvalidInputError, LookError
from afield.faultpoints import FaultPoint, reach
from afield.ledger.base import Ledger
from afield.model.execution import EventKind, Execution, Move, Reason, Verdict
from afield.model.finding import Finding, FindingKind, Repair, RepairKind
from afield.model.jsontypes import JsonObject
from afield.reconcile import moves
from afield.reconcile.evidence import local_side, seen_state, shown
from afield.reconcile.moves import Hand
from afield.reconcile.sides import Why

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """The repair a person chose for one finding; `handle` where several remote executions could be meant."""

    kind: RepairKind
    handle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which repairs to make: the automatic ones, those of some kinds, and what was chosen for single findings
    (by fingerprint). A choice goes before a kind, a kind before the automatic one."""

    automatic: bool = True
    kinds: frozenset[RepairKind] = frozenset()
    choices: Mapping[str, Choice] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedRepair:
    """One repair to be made."""

    finding: Finding
    repair: Repair


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What became of one. `done` False: nothing was changed, and `text` says why."""

    planned: PlannedRepair
    done: bool
    text: str
    before: JsonObject = field(default_factory=dict)
    after: JsonObject = field(default_factory=dict)


def plan_repairs(findings: Sequence[Finding], policy: Policy | None = None) -> list[PlannedRepair]:
    """At most one repair for each finding, in their order; this alone is the dry run.

    Where a person has to choose (an ambiguous finding, another Afield's work), only a choice by fingerprint counts.
    Raises InvalidInputError for a choice no finding offers.
    """
    policy = policy or Policy()
    known = {finding.fingerprint for finding in findings}
    for fingerprint in policy.choices.keys() - known:
        raise InvalidInputError(
            f"There is no finding {fingerprint!r}.", hint="It may be settled by now; compare again and choose anew."
        )
    planned = ((finding, _chosen(finding, policy)) for finding in findings)
    return [PlannedRepair(finding, repair) for finding, repair in planned if repair is not None]


def _chosen(finding: Finding, policy: Policy) -> Repair | None:
    choice = policy.choices.get(finding.fingerprint)
    if choice is not None:
        return _offered(finding, choice)
    if finding.kind is FindingKind.AMBIGUOUS or finding.why == Why.ORPHAN:
        return None
    of_kind = [repair for repair in finding.repairs if repair.kind in policy.kinds]
    automatic = [repair for repair in finding.repairs if repair.automatic and policy.automatic]
    return next(iter(of_kind + automatic), None)


def _offered(finding: Finding, choice: Choice) -> Repair:
    fitting = [r for r in finding.repairs if r.kind is choice.kind and choice.handle in (None, r.handle)]
    if len(fitting) == 1:
        return fitting[0]
    offered = ", ".join(f"{r.kind} {r.handle}" if r.handle else r.kind for r in finding.repairs) or "nothing"
    what = f"{choice.kind} {choice.handle}" if choice.handle else choice.kind
    problem = "does not say which one" if fitting else "is not offered"
    raise InvalidInputError(f"{what} {problem} for finding {finding.fingerprint}.", hint=f"Offered: {offered}.")


class Repairer:
    """Makes repairs on one target, in somebody's name."""

    def __init__(self, ledger: Ledger, connector: AnyConnector, *, actor: str, clock: Clock) -> None:
        self._ledger = ledger
        self._connector = connector
        self._actor = actor
        self._clock = clock

    async def apply(self, planned: Sequence[PlannedRepair]) -> list[Repaired]:
        """Make them, one after the other; one that cannot be made does not stop the others."""
        return [await self._apply_one(one) for one in planned]

    async def _apply_one(self, planned: PlannedRepair) -> Repaired:
        try:
            repaired = await self._make(planned)
        except AfieldError as error:
            repaired = Repaired(planned=planned, done=False, text=str(error))
        log.info(
            "repair.made" if repaired.done else "repair.not_made",
            repair=planned.repair.kind.value,
            target_id=str(planned.finding.target_id),
            execution_id=str(planned.finding.execution_id or ""),
            finding=planned.finding.fingerprint,
            text=repaired.text,
        )
        return repaired

    async def _make(self, planned: PlannedRepair) -> Repaired:
        match planned.repair.kind:
            case RepairKind.IGNORE:
                return await self._ignore(planned)
            case RepairKind.CANCEL_REMOTE:
                return await self._cancel(planned)
            case _:
                return await self._move(planned)

    # ---------------------------------------------------------------------------------- in the ledger

    async def _move(self, planned: PlannedRepair) -> Repaired:
        row = await self._as_seen(planned.finding)
        if planned.repair.kind is RepairKind.RESUBMIT:
            await self._make_sure_it_is_absent(row)
        for number, move in enumerate(await self._moves(row, planned)):
            applied = await self._ledger.apply(move)
            if not applied.ok:
                _refuse_first(number, move, applied.verdict)
                break  # a driver went on from what the first move said
            reach(FaultPoint.DURING_REPAIR)
        after = await self._ledger.execution(row.id)
        text = f"{row.state} -> {after.state}" if after.state is not row.state else f"{row.state}, noted"
        return await self._done(planned, text, local_side(row), local_side(after))

    async def _as_seen(self, finding: Finding) -> Execution:
        """The row, if it still is as the finding saw it."""
        seen = seen_state(finding)
        if finding.execution_id is None or seen is None:
            raise ConflictError("The finding is about no execution here.")
        row = await self._ledger.execution(finding.execution_id)
        if (row.state, row.attempt) != seen or (row.reason is not None and row.reason.code == Why.LEGACY):
            raise ConflictError(f"Execution {row.id} is {row.state} by now.", hint="Compare again.")
        return row

    async def _moves(self, row: Execution, planned: PlannedRepair) -> list[Move]:
        hand = Hand(actor=self._actor, at=self._clock.now(), abilities=self._connector.abilities)
        if planned.repair.kind is RepairKind.MARK_LEGACY:
            return moves.mark_legacy(row, hand)
        if planned.repair.kind is RepairKind.RESUBMIT:
            return moves.resubmit(row, hand)
        entry = shown(planned.finding, planned.repair.handle)
        if entry is None:
            raise ConflictError("The finding does not show the remote execution it is about.", hint="Compare again.")
        if planned.repair.kind is RepairKind.SYNC_STATUS:
            return moves.sync(row, entry, hand)
        return moves.adopt(row, entry, await self._attempt_of(row, planned), hand)

    async def _attempt_of(self, row: Execution, planned: PlannedRepair) -> int | None:
        """Which attempt the adopted entry is; None: the current one, or nobody knows."""
        found = planned.finding.local.get("found_attempt")
        if isinstance(found, int) and found > 0:
            return found
        attempts = await self._ledger.attempts(row.id)
        return next((one.number for one in attempts if one.handle == planned.repair.handle), None)

    async def _make_sure_it_is_absent(self, row: Execution) -> None:
        """Before anything is sent again: make it impossible for the old attempt to start, if the remote has a way,
        and look once more. Raises ConflictError when it is there after all, LookError when that cannot be said."""
        intent = (await self._ledger.intents([row.id]))[row.id]
        fenced = await self._connector.retire(intent)
        log.info("attempt.retired", execution_id=str(row.id), attempt=intent.attempt, fenced=fenced)
        reach(FaultPoint.DURING_REPAIR)
        known = [Known(handle=row.handle, submitted_at=row.submitted_at or row.state_at)] if row.handle else []
        snapshot = await self._connector.look(LookQuery(known=tuple(known), doubts=(intent,)))
        if not snapshot.complete:
            error = snapshot.error
            why = (error.text or error.code) if error else "the look was not complete"
            raise LookError(f"Whether execution {row.id} is there could not be seen: {why}.", hint="Try again later.")
        there = await self._turned_up(row, intent, snapshot)
        if there:
            raise ConflictError(f"Execution {row.id} is at the remote after all, as {there}.", hint="Compare again.")

    async def _turned_up(self, row: Execution, intent: Intent, snapshot: Snapshot) -> str | None:
        """The entry that is, or without an id could be, the row's."""
        owners = await self._ledger.owners(row.target_id, [entry.handle for entry in snapshot.entries])
        enough = {Match.EXACT} if row.handle else {Match.EXACT, Match.POSSIBLE}
        for entry in snapshot.entries:
            free = owners.get(entry.handle, row.id) == row.id
            if entry.handle == row.handle or (free and self._connector.match(intent, entry) in enough):
                return entry.handle
        return None

    # ---------------------------------------------------------------------------------- elsewhere

    async def _cancel(self, planned: PlannedRepair) -> Repaired:
        """Ask the remote to stop it. That it was asked is written down first; that it stopped, only a look shows."""
        handle = planned.repair.handle
        if handle is None or not self._connector.abilities.cancel:
            raise ConflictError("This remote cannot stop an execution.")
        before = dict(planned.finding.remote)
        await self._audit(planned, {"stage": "asking", "before": before})
        reach(FaultPoint.DURING_REPAIR)
        answer = await self._connector.cancel(handle)
        text = f"The remote was asked to stop {handle}, and answered {answer}; the next look shows what came of it."
        return await self._done(planned, text, before, {"answer": answer.value})

    async def _ignore(self, planned: PlannedRepair) -> Repaired:
        finding = planned.finding
        if finding.fingerprint in await self._ledger.ignored(finding.target_id):
            return Repaired(planned=planned, done=False, text="It is ignored already.")
        await self._ledger.ignore(finding.target_id, finding.fingerprint, self._actor, self._clock.now())
        reach(FaultPoint.DURING_REPAIR)
        return await self._done(planned, "Not reported any more.", {"ignored": False}, {"ignored": True})

    # ---------------------------------------------------------------------------------- the audit trail

    async def _done(self, planned: PlannedRepair, text: str, before: JsonObject, after: JsonObject) -> Repaired:
        await self._audit(planned, {"stage": "done", "before": before, "after": after})
        return Repaired(planned=planned, done=True, text=text, before=before, after=after)

    async def _audit(self, planned: PlannedRepair, data: JsonObject) -> None:
        finding, repair = planned.finding, planned.repair
        about: JsonObject = {"repair": repair.kind.value, "finding": finding.fingerprint, "handle": repair.handle}
        await self._ledger.note_event(
            EventKind.REPAIRED,
            target_id=finding.target_id,
            execution_id=finding.execution_id,
            at=self._clock.now(),
            actor=self._actor,
            reason=Reason(repair.kind.value, finding.explanation),
            data=about | data,
        )


def _refuse_first(number: int, move: Move, verdict: Verdict) -> None:
    """Raise if nothing was changed at all."""
    if number == 0:
        what = "another execution holds this remote id" if verdict is Verdict.OWNED else f"the ledger says {verdict}"
        raise ConflictError(f"Execution {move.execution_id} was not moved to {move.to}: {what}.", hint="Compare again.")
