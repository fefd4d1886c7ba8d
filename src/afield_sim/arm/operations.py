"""Long-running operations: begun, ended, looked up by their id."""

import hashlib
from collections.abc import Callable
from urllib.parse import quote

from .model import JsonObject, Operation, Progress, Vm


class Operations:
    """All operations there were; `changed` is called when one ends."""

    def __init__(self, now: Callable[[], float], changed: Callable[[], None]) -> None:
        self._now = now
        self._changed = changed
        self._by_id: dict[str, Operation] = {}

    def begin(self, vm: Vm) -> Operation:
        """A new operation of a machine."""
        operation = Operation(vm, self._now())
        self._by_id[operation.id] = operation
        return operation

    def get(self, operation_id: str) -> Operation | None:
        """An operation, by its id in any case."""
        return self._by_id.get(operation_id.lower())

    def succeed(self, operation: Operation, output: JsonObject | None = None) -> None:
        """It is done, with a result or without."""
        operation.output = output
        self._end(operation, Progress.SUCCEEDED)

    def fail(self, operation: Operation, code: str, message: str) -> None:
        """It failed."""
        operation.error = {"code": code, "message": message}
        self._end(operation, Progress.FAILED)

    def clear(self) -> None:
        """Forget all."""
        self._by_id.clear()

    def _end(self, operation: Operation, status: Progress) -> None:
        if operation.status is Progress.IN_PROGRESS and not operation.endless:
            operation.status = status
            operation.ended_at = self._now()
        self._changed()


def operation_url(base_url: str, operation: Operation, api_version: str, *, monitor: bool, long: bool) -> str:
    """The URL to poll, or (`monitor`) the one of the result; `long` adds parameters as the signed ones are."""
    vm = operation.vm
    path = f"/subscriptions/{vm.subscription_id}/providers/Microsoft.Compute/locations/{vm.location}/operations/"
    query = f"p={operation.id}&{'monitor=true&' if monitor else ''}api-version={quote(api_version)}"
    if long:
        seal = hashlib.sha512(operation.id.encode()).hexdigest()
        query += f"&t={int(operation.started_at * 1000)}&c={seal * 11}&s={seal}&h={seal[:43]}"
    return f"{base_url}{path}{operation.id}?{query}"
