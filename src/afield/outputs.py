"""Where an execution's stored output is, or why there is none."""

from __future__ import annotations

from afield.errors import ConflictError, NotFoundError
from afield.model.execution import Execution
from afield.model.states import OutputState


def stored_artifact(execution: Execution) -> str:
    """The artifact's key. Raises ConflictError when the output may still come, NotFoundError when it will not."""
    artifact = (execution.output or {}).get("artifact")
    if execution.output_state is OutputState.STORED and isinstance(artifact, str):
        return artifact
    why = f" ({execution.reason.text or execution.reason.code})" if execution.reason else ""
    if not execution.complete:
        raise ConflictError(
            f"Execution {execution.id} has no output yet: it is {execution.state}{why}.",
            hint="Follow its events; the output can be fetched once `output_state` is `stored`.",
        )
    raise NotFoundError(
        f"Execution {execution.id} has no output: it is {execution.state}{why}.", hint="None is to be expected."
    )
