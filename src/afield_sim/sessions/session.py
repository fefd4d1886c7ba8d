"""A session: the place an identifier has in a pool."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..arm.times import show_time
from .container import Container
from .model import JsonObject, Lifecycle, LifecycleConfiguration


@dataclass(slots=True)
class Session:
    """An allocated session; `place` gives its container, or None when that did not come up."""

    identifier: str
    created_at: float
    last_at: float
    place: asyncio.Task[Container | None]
    guid: str = field(default_factory=lambda: str(uuid.uuid4()))
    requests: int = 0
    in_flight: int = 0

    @property
    def container(self) -> Container | None:
        """Its container, as soon as there is one."""
        return self.place.result() if self.place.done() and not self.place.cancelled() else None

    @property
    def failed(self) -> bool:
        """Whether no container came up."""
        return self.place.done() and self.container is None

    @property
    def dead(self) -> bool:
        """Whether its container came up and ended."""
        return self.container is not None and not self.container.alive

    def ends_at(self, lifecycle: LifecycleConfiguration) -> float:
        """When it ends if nobody asks for it any more, in seconds since 1970."""
        if lifecycle.lifecycle_type is Lifecycle.TIMED:
            return self.last_at + lifecycle.cooldown_period_in_seconds
        alive = lifecycle.max_alive_period_in_seconds
        return self.created_at + alive if alive else float("inf")

    def over(self, lifecycle: LifecycleConfiguration, now: float) -> bool:
        """Whether its time is up; a request in flight holds the cooldown up."""
        held = lifecycle.lifecycle_type is Lifecycle.TIMED and self.in_flight > 0
        return not held and now >= self.ends_at(lifecycle)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """While a request is in its container."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def show(self, lifecycle: LifecycleConfiguration) -> JsonObject:
        """As the management calls show it."""
        ends_at = self.ends_at(lifecycle)
        return {
            "identifier": self.identifier,
            "createdAt": show_time(self.created_at),
            "lastAccessedAt": show_time(self.last_at),
            "expireAt": None if ends_at == float("inf") else show_time(ends_at),
            "etag": f"{self.guid}-{self.requests}",
        }
