"""The error replies of AMC and of the gateway before it."""

from collections.abc import Mapping


class ApiError(Exception):
    """An answer that is an error: status, JSON body, extra headers."""

    def __init__(self, status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = headers or {}


def refused(status: int, details: str) -> ApiError:
    """An error of the reporting API."""
    return ApiError(status, {"code": str(status), "details": details})


def gateway(status: int, message: str, headers: Mapping[str, str] | None = None) -> ApiError:
    """An error of the gateway."""
    return ApiError(status, {"message": message}, headers)


def no_such_execution(status: int, execution_id: str) -> ApiError:
    """The answer for an execution that is not there, or not yet to be seen."""
    return refused(status, f"Workflow execution with ID {execution_id} does not exist.")


def no_such_workflow(workflow_id: str) -> ApiError:
    """The answer for a saved query that is not there."""
    return refused(404, f"Workflow with ID {workflow_id} does not exist.")


def not_compiled(workflow_id: str, why: str) -> ApiError:
    """The answer for SQL that does not compile."""
    return refused(400, f"Was unable to compile workflow {workflow_id} because it was found to be invalid: {why}")
