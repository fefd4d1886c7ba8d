"""Data agents: made, changed, deleted softly."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from ..clock import Clock
from .errors import Code, GoogleError, not_found
from .masks import masked
from .rules import AGENT_FIELDS, check_agent
from .times import show_time

Json = dict[str, Any]
KEPT_SECONDS = 30 * 86_400  # of a deleted agent
_REPEAT_SECONDS = 3_600  # in which a request id is known again


class Agents:
    """All agents by name, deleted ones too until they are purged; and the requests that are answered the same way
    again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._agents: dict[str, Json] = {}
        self._policies: dict[str, Json] = {}
        self._requests: dict[tuple[str, str], float] = {}

    def once(self, name: str, request_id: str, work: Callable[[], Json]) -> Json:
        """Do `work` on an agent, unless this very request was done before: then the agent as it is. Without a request
        id, always."""
        now = self._clock.now()
        if request_id and now - self._requests.get((name, request_id), float("-inf")) < _REPEAT_SECONDS:
            return self.get(name)
        done = work()
        if request_id:
            self._requests[name, request_id] = now
        return done

    def create(self, name: str, given: Json) -> Json:
        """Raises GoogleError."""
        check_agent(given)
        self._purge()
        if name in self._agents:
            raise GoogleError(Code.ALREADY_EXISTS, f"Resource '{name}' already exists")
        now = show_time(self._clock.now())
        fields = {key: deepcopy(value) for key, value in given.items() if key in AGENT_FIELDS}
        agent: Json = {"name": name, "labels": {}, **fields, "createTime": now, "updateTime": now}
        agent.setdefault("dataAnalyticsAgent", {}).pop("lastPublishedContext", None)
        self._agents[name] = agent
        return deepcopy(agent)

    def update(self, name: str, given: Json, mask: str) -> Json:
        """Raises GoogleError."""
        before = self.alive(name)
        check_agent(given)
        after = masked(before, given, mask, AGENT_FIELDS)
        check_agent(after)
        _remember(before, after)
        after["updateTime"] = show_time(self._clock.now())
        self._agents[name] = after
        return deepcopy(after)

    def delete(self, name: str) -> Json:
        """Mark it as deleted; it is purged later. Raises GoogleError."""
        agent, now = self.alive(name), self._clock.now()
        agent["deleteTime"], agent["purgeTime"] = show_time(now), show_time(now + KEPT_SECONDS)
        self._agents[name] = agent
        return deepcopy(agent)

    def get(self, name: str) -> Json:
        """The agent, be it deleted. Raises GoogleError."""
        self._purge()
        if name not in self._agents:
            raise not_found(name)
        return deepcopy(self._agents[name])

    def alive(self, name: str) -> Json:
        """The agent, if it is not deleted. Raises GoogleError."""
        agent = self.get(name)
        if "deleteTime" in agent:
            raise not_found(name)
        return agent

    def under(self, parent: str, *, deleted: bool) -> list[Json]:
        """Those of one project and location, the oldest first."""
        self._purge()
        found = [one for name, one in self._agents.items() if name.startswith(f"{parent}/dataAgents/")]
        return [deepcopy(one) for one in found if deleted or "deleteTime" not in one]

    def policy(self, name: str, new: Json | None = None) -> Json:
        """Who may do what with it; `new` replaces that. Raises GoogleError."""
        self.alive(name)
        if new is not None:
            self._policies[name] = {"version": 1, "bindings": new.get("bindings", [])}
        return self._policies.get(name, {"version": 1, "bindings": []})

    def clear(self) -> None:
        """Forget all."""
        self._agents.clear()
        self._policies.clear()
        self._requests.clear()

    def _purge(self) -> None:
        now = show_time(self._clock.now())
        for name in [name for name, one in self._agents.items() if one.get("purgeTime", "9") <= now]:
            del self._agents[name]


def _remember(before: Json, after: Json) -> None:
    """The context that was published before is kept by the service; nobody else can set it."""
    old, new = before.get("dataAnalyticsAgent", {}), after.setdefault("dataAnalyticsAgent", {})
    new.pop("lastPublishedContext", None)
    last = old.get("publishedContext") if old.get("publishedContext") != new.get("publishedContext") else None
    last = last or old.get("lastPublishedContext")
    if last:
        new["lastPublishedContext"] = deepcopy(last)
