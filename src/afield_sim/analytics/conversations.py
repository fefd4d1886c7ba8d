"""Conversations, and the messages the service keeps of them."""

from copy import deepcopy
from typing import Any

from ..clock import Clock
from .errors import Code, GoogleError, not_found
from .masks import masked
from .rules import CONVERSATION_FIELDS, check_conversation
from .times import show_time

Json = dict[str, Any]


class Conversations:
    """All conversations by name, and their messages in the order they came."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._conversations: dict[str, Json] = {}
        self._messages: dict[str, list[Json]] = {}

    def create(self, name: str, given: Json) -> Json:
        """Raises GoogleError."""
        check_conversation(given)
        if name in self._conversations:
            raise GoogleError(Code.ALREADY_EXISTS, f"Resource '{name}' already exists")
        now = show_time(self._clock.now())
        kept: Json = {key: deepcopy(given[key]) for key in ("agents", "title", "labels") if key in given}
        self._conversations[name] = {"name": name, **kept, "createTime": now, "lastUsedTime": now}
        self._messages[name] = []
        return self.get(name)

    def get(self, name: str) -> Json:
        """Raises GoogleError."""
        if name not in self._conversations:
            raise not_found(name)
        return deepcopy(self._conversations[name])

    def update(self, name: str, given: Json, mask: str) -> Json:
        """Raises GoogleError."""
        after = masked(self.get(name), given, mask, CONVERSATION_FIELDS)
        check_conversation(after)
        self._conversations[name] = after
        return self.get(name)

    def delete(self, name: str) -> None:
        """It and its messages. Raises GoogleError."""
        self.get(name)
        del self._conversations[name], self._messages[name]

    def under(self, parent: str) -> list[Json]:
        """Those of one project and location, the oldest first."""
        return [self.get(name) for name in self._conversations if name.startswith(f"{parent}/conversations/")]

    def messages(self, name: str) -> list[Json]:
        """What was said in it. Raises GoogleError."""
        self.get(name)
        return list(self._messages[name])

    def add(self, name: str, message: Json) -> None:
        """Keep one message; nothing happens if the conversation was deleted meanwhile."""
        if name in self._conversations:
            self._messages[name].append(message)
            self._conversations[name]["lastUsedTime"] = show_time(self._clock.now())

    def clear(self) -> None:
        """Forget all."""
        self._conversations.clear()
        self._messages.clear()
