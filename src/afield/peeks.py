"""What running executions have printed so far, asked of their remotes for people who watch."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from afield.connectors.base import Peek
from afield.kernel import Kernel
from afield.model.execution import Execution
from afield.model.states import LIVE

FRESH = timedelta(seconds=3)
"""For how long an answer is good enough for everybody who watches: remotes count calls."""

_MOST_KEPT = 1000


class Peeks:
    """Asks each remote at most once in a while, whoever watches. For one process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._kept: dict[UUID, Peek] = {}

    async def of(self, execution: Execution) -> Peek | None:
        """The end of what it has printed; None when it is not running, or the remote does not show it.

        Raises AfieldError when the target cannot even be opened.
        """
        if execution.state not in LIVE or execution.handle is None:
            return None
        kept = self._kept.get(execution.id)
        if kept is not None and self._kernel.clock.now() < kept.taken_at + FRESH:
            return kept
        target = await self._kernel.ledger.target(execution.target_id, execution.tenant_id)
        connector = await self._kernel.open_connector(target)
        try:
            seen = await connector.peek(execution.handle)
        finally:
            await connector.close()
        if seen is not None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[execution.id] = seen
        return seen
