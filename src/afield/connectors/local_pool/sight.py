"""What is certain about runs of a local pool. Pure: the processes that served it, and what the one alive says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from afield.connectors.adapter.sight import Sight
from afield.connectors.adapter.wire import entry_of
from afield.connectors.base import Entry, Intent, Known, LookQuery, RemoteState
from afield.connectors.local_pool.home import Running, Served
from afield.model.execution import Reason

SESSION = "local"
"""The one identifier of all runs: a run leaves no state behind, so there is nothing to keep apart."""

GONE = "pool_process_gone"
"""Reason code: the process that took it is dead, and so is what it ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSight:
    """One look. `sight` is what the process alive says; None when none is. `claimed_at`: until then the target
    belonged to a pool of another machine."""

    served: Sequence[Served]
    running: Running | None = None
    sight: Sight | None = None
    claimed_at: datetime | None = None

    def entries(self, query: LookQuery) -> tuple[Entry, ...]:
        """All that the query asks about, and when it asks for more, all that the process alive knows."""
        found = [self.known(known) for known in query.known] + [self.doubt(intent) for intent in query.doubts]
        if query.since is not None and self.sight is not None:
            found += [self._shown(run_id) for run_id in self.sight.runs]
        return tuple({entry.handle: entry for entry in found if entry is not None}.values())

    def known(self, known: Known) -> Entry | None:
        """An accepted run; None when it is forgotten, or was another machine's."""
        shown = self._shown(known.handle.rpartition("/")[2])
        if shown is not None:
            return shown
        if self._was_elsewhere(known.submitted_at) or self._forgot() or not self._died_since(known.submitted_at):
            return None
        text = "The local pool's process that had taken it ended, and what it ran with it; its result is lost."
        return Entry(handle=known.handle, status="gone", state=RemoteState.FAILED, reason=Reason(GONE, text))

    def doubt(self, intent: Intent) -> Entry | None:
        """An attempt that may or may not have arrived; None when it certainly did not."""
        shown = self._shown(intent.key)
        if shown is not None:
            return shown
        if self._was_elsewhere(intent.sent_after) or self._died_since(intent.sent_after):
            text = "The local pool's process that may have taken it is dead, and with it what it ran."
        elif self._forgot(intent.sent_after):
            text = "The local pool has forgotten some of what it ran since the attempt was sent."
        else:
            return None
        reason = Reason("not_decidable", text)
        return Entry(handle=_handle(intent.key), status="not known", state=RemoteState.UNKNOWN, reason=reason)

    def _shown(self, run_id: str) -> Entry | None:
        run = self.sight.runs.get(run_id) if self.sight is not None else None
        return None if run is None else entry_of(run, _handle(run_id))

    def _was_elsewhere(self, since: datetime) -> bool:
        return self.claimed_at is not None and since <= self.claimed_at

    def _died_since(self, since: datetime) -> bool:
        """Whether a process may have taken something at that time or later, and is dead now."""
        alive = self.running.number if self.running is not None else None
        return any(one.number != alive and one.may_have_lived(since) for one in self.served)

    def _forgot(self, since: datetime | None = None) -> bool:
        """Whether the process alive may have forgotten a run: any, or one that it took at that time or later."""
        if self.running is None or self.sight is None:
            return False
        from_here = self.running.ready_at if since is None else max(since, self.running.ready_at)
        remembers_since = self.sight.remembers_since
        return remembers_since is None or remembers_since > from_here


def _handle(run_id: str) -> str:
    return f"{SESSION}/{run_id}"
