"""The lines operators search the logs for: `[AZURE_CONNECTOR]`, with ids as fields and never a secret."""

from __future__ import annotations

import structlog

from afield.connectors.base import Accepted, Intent, Submission


def mark(log: structlog.stdlib.BoundLogger, step: str, intent: Intent, submission: Submission | None = None) -> None:
    """One marked line. With a submission, also what it came to: success, conflict, or the result's name."""
    ids = {"execution_id": str(intent.execution_id), "attempt": intent.attempt, "run_command": intent.key}
    if submission is None:
        log.info(f"[AZURE_CONNECTOR] {step}", **ids)
        return
    if isinstance(submission, Accepted):
        log.info("[AZURE_CONNECTOR] success", **ids)
        return
    if submission.reason.code == "conflict":
        log.warning("[AZURE_CONNECTOR] conflict", **ids, why=submission.reason.text)
    outcome = type(submission).__name__
    log.info(
        f"[AZURE_CONNECTOR] {step}", **ids, outcome=outcome, code=submission.reason.code, why=submission.reason.text
    )
