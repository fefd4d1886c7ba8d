"""After the end, or towards it: cancelling, collecting outputs, leaving nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import structlog

from afield.connectors.base import Cancellation, CollectError, Intent, Output
from afield.engine.plan import backoff
from afield.engine.turn import CREDENTIAL_PAUSE, Turn
from afield.errors import CredentialError
from afield.model.execution import Move, Reason, Tracked
from afield.model.states import OutputState

log = structlog.get_logger(__name__)


async def cancel(turn: Turn, row: Tracked) -> None:
    """Ask for a cancel. Only the next look tells what came of it."""
    assert row.handle is not None, "a live row has a handle"
    try:
        async with turn.calls:
            answer = await turn.connector.cancel(row.handle)
    except CredentialError as error:
        log.warning("execution.cancel_failed", execution_id=str(row.id), error=str(error))
        answer = Cancellation.UNKNOWN
    except Exception:  # a row that fails is set aside, the others go on
        log.exception("connector.cancel_failed", execution_id=str(row.id), target=turn.target.name)
        answer = Cancellation.UNKNOWN
    asked = turn.move(row, row.state)
    reason = Reason(f"cancel_{answer}", "The remote was asked to stop it; the next look shows whether it did.")
    await turn.apply(replace(asked, cancel_asked_at=asked.at, reason=reason))


async def collect(turn: Turn, row: Tracked, intent: Intent) -> None:
    """Bring the output into the artifact store and record it; a failure is recorded and tried again later. What
    `intent`, the row's attempt, left behind goes when there is nothing more to come."""
    try:
        output = await _fetch(turn, row)
    except CollectError as error:
        await turn.apply(_not_collected(turn, row, error))
        if error.reason.code == "throttled":
            await turn.be_patient(error.retry_after)
        if error.final:
            await release(turn, [intent])
        return
    stored = replace(turn.move(row, row.state), output_state=OutputState.STORED, output=output.to_json(), failures=0)
    if (await turn.apply(stored)).ok:
        await release(turn, [intent])


async def _fetch(turn: Turn, row: Tracked) -> Output:
    """The output, or CollectError whatever went wrong."""
    assert row.handle is not None, "an output is only pending for an execution with a handle"
    sink = turn.artifacts.sink(f"{turn.target.id}/{row.id}")
    try:
        async with turn.calls:
            return await turn.connector.collect(row.handle, sink)
    except CredentialError as error:
        raise CollectError(Reason(error.code, str(error)), retry_after=CREDENTIAL_PAUSE) from error
    except (CollectError, asyncio.CancelledError):
        raise
    except Exception as error:  # a row that fails is set aside, the others go on
        log.exception("connector.collect_failed", execution_id=str(row.id), target=turn.target.name)
        raise CollectError(Reason("connector_error", f"{type(error).__name__}: {error}")) from error


def _not_collected(turn: Turn, row: Tracked, error: CollectError) -> Move:
    note = replace(turn.move(row, row.state), reason=error.reason)
    if error.final:
        return replace(note, output_state=OutputState.UNAVAILABLE)
    failures = row.failures + 1
    pause = error.retry_after or backoff(failures, turn.limits)
    return replace(note, failures=failures, retry_at=note.at + pause)


async def release(turn: Turn, intents: Iterable[Intent]) -> None:
    """Remove what attempts left behind at the remote. Best effort: what stays there costs only tidiness."""
    for intent in intents:
        try:
            async with turn.calls:
                await turn.connector.release(intent)
            turn.released.add(intent.key)
        except Exception as error:  # noqa: BLE001 - see above
            log.warning("connector.release_failed", execution_id=str(intent.execution_id), error=str(error))
