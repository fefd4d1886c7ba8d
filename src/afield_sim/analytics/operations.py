"""Long-running operations: what they do takes effect when they end, which is seconds after they began."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..clock import Clock
from .errors import Code, GoogleError, not_found
from .times import show_time

Json = dict[str, Any]
_TYPES = "type.googleapis.com/google.cloud.geminidataanalytics.v1."
_EMPTY = "type.googleapis.com/google.protobuf.Empty"


@dataclass(slots=True)
class Operation:
    """One operation. `due`: when it ends, in seconds since 1970. `work`: what it does then, and gives the resource."""

    name: str
    verb: str
    target: str
    created: float
    due: float
    work: Callable[[], Json | None]
    ended: float | None = None
    response: Json | None = None
    error: Json | None = None
    cancelled: bool = False

    def as_json(self) -> Json:
        """As google.longrunning.Operation."""
        metadata = {
            "@type": _TYPES + "OperationMetadata",
            "createTime": show_time(self.created),
            "target": self.target,
            "verb": self.verb,
            "requestedCancellation": self.cancelled,
            "apiVersion": "v1",
        }
        shown: Json = {"name": self.name, "metadata": metadata, "done": self.ended is not None}
        if self.ended is None:
            return shown
        metadata["endTime"] = show_time(self.ended)
        return shown | ({"error": self.error} if self.error else {"response": self.response})


class Operations:
    """All operations, by name. `seconds`: how long each takes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: dict[str, Operation] = {}
        self._number = 0
        self.seconds = 0.0

    def begin(self, parent: str, verb: str, target: str, work: Callable[[], Json | None], *, stuck: bool) -> Json:
        """Start one; `stuck`: it never ends."""
        self._number += 1
        now = self._clock.now()
        name = f"{parent}/operations/operation-{self._number}"
        due = math.inf if stuck else now + self.seconds
        self._all[name] = Operation(name, verb, target, now, due, work)
        self.settle()
        return self._all[name].as_json()

    def settle(self) -> None:
        """Let everything happen that is due."""
        now = self._clock.now()
        for one in self._all.values():
            if one.ended is None and one.due <= now:
                _finish(one)

    def get(self, name: str) -> Json:
        """Raises GoogleError."""
        return self._found(name).as_json()

    def under(self, parent: str) -> list[Json]:
        """Those of one project and location, the oldest first."""
        return [one.as_json() for name, one in self._all.items() if name.startswith(f"{parent}/operations/")]

    def cancel(self, name: str) -> None:
        """End it without effect, unless it ended before. Raises GoogleError."""
        one = self._found(name)
        if one.ended is None:
            one.cancelled, one.ended = True, self._clock.now()
            one.error = GoogleError(Code.CANCELLED, "The operation was cancelled.").as_status()

    def delete(self, name: str) -> None:
        """Forget it; what it does goes on. Raises GoogleError."""
        self._found(name)
        if self._all[name].ended is not None:
            del self._all[name]

    def clear(self) -> None:
        """Forget all."""
        self._all.clear()

    def _found(self, name: str) -> Operation:
        if name not in self._all:
            raise not_found(name)
        return self._all[name]


def _finish(one: Operation) -> None:
    one.ended = one.due
    try:
        made = one.work()
    except GoogleError as error:
        one.error = error.as_status()
    else:
        one.response = {"@type": _EMPTY} if made is None else {"@type": _TYPES + "DataAgent", **made}
