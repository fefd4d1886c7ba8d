"""What happens to an execution next, and when, in one sentence. Pure."""

from __future__ import annotations

from datetime import datetime

from afield.diagnose.words import at_time
from afield.model.execution import Execution
from afield.model.states import FINAL, LIVE, ExecutionState, OutputState


def expectation(row: Execution, now: datetime) -> str:
    """One sentence, for the state the execution is in."""
    if row.state in FINAL:
        return _of_ended(row)
    if row.state is ExecutionState.QUEUED:
        until = row.retry_at if row.retry_at is not None and row.retry_at > now else None
        when = f"not before {at_time(until)}" if until else "as soon as there is room"
        return f"It waits here and is sent {when}."
    if row.state is ExecutionState.SUBMITTING:
        return "It is being sent; the reply, or a look, tells what became of it."
    looked = f"at {at_time(row.next_at)}" if row.next_at is not None and row.next_at > now else "shortly"
    if row.state in LIVE:
        said = f" ({row.remote_status})" if row.remote_status else ""
        where = "runs at the remote" if row.state is ExecutionState.RUNNING else "was accepted by the remote"
        return f"It {where}{said} and is looked for again {looked}."
    return f"Whether it arrived is found out by looking, {looked}; it is not sent again before that."


def _of_ended(row: Execution) -> str:
    ended = f"It ended as {row.state} at {at_time(row.finished_at or row.state_at)}"
    if row.output_state is OutputState.PENDING:
        return f"{ended}, and its output is being collected."
    if row.output_state is OutputState.STORED:
        return f"{ended}, its output is stored, and nothing is left to do."
    return f"{ended}, and nothing is left to do."
