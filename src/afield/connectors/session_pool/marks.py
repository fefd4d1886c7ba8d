"""What is noted of an attempt at a pool that lets nobody choose names: that it left, and what came back.

No mark: it certainly never left. A mark without an answer: it may have run, and nobody can be asked.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import JsonValue

from afield.connectors.base import Notes, RemoteState, StrictModel
from afield.connectors.coding import CodeResult
from afield.connectors.session_pool.interpreter_wire import Execution


class Mark(StrictModel):
    """One attempt, as it was sent. `execution` is the interpreter's id, where it gives one; `ended` its last word."""

    session: str
    sent_at: datetime
    language: str
    execution: str = ""
    status: str = ""
    state: RemoteState | None = None
    result: dict[str, JsonValue] | None = None

    def answered(self, execution: Execution) -> Mark:
        result = execution.result.to_json() if execution.result is not None else None
        return self.model_copy(
            update={
                "execution": execution.id,
                "status": execution.status,
                "state": execution.state,
                "result": result,
            }
        )

    @property
    def ended(self) -> Execution | None:
        """The execution, if its end is noted."""
        if self.result is None or self.state is None:
            return None
        result = CodeResult.from_json(self.result)
        return Execution(id=self.execution, status=self.status, state=self.state, result=result)


class Marks:
    """The marks of a target's attempts."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def put(self, key: str, mark: Mark) -> None:
        await self._notes.put(_name(key), mark.model_dump_json())

    async def get(self, key: str) -> Mark | None:
        text = await self._notes.get(_name(key))
        return None if text is None else Mark.model_validate_json(text)

    async def drop(self, key: str) -> None:
        await self._notes.drop(_name(key))


def _name(key: str) -> str:
    return f"attempt/{key}"
