"""Routes of data agents. The `...Sync` calls answer when it is done, the others with an operation."""

import uuid
from typing import Any

from .cloud import Cloud
from .filters import read_filter
from .gate import Call, Handler
from .paging import page_of
from .rules import check_agent, check_id, check_request_id

Json = dict[str, Any]


class AgentRoutes:
    """Everything under `dataAgents`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """Method, path below the location, kind of call, handler."""
        one = "/dataAgents/{id:[^/:]+}"
        return [
            ("POST", "/dataAgents", "create_agent", self.create),
            ("POST", "/dataAgents:createSync", "create_agent", self.create_now),
            ("GET", "/dataAgents", "list_agents", self.list),
            ("GET", "/dataAgents:listAccessible", "list_agents", self.list),
            ("GET", one, "get_agent", self.get),
            ("PATCH", one, "update_agent", self.update),
            ("PATCH", one + ":updateSync", "update_agent", self.update_now),
            ("DELETE", one, "delete_agent", self.delete),
            ("DELETE", one + ":deleteSync", "delete_agent", self.delete_now),
            ("POST", one + ":getIamPolicy", "get_policy", self.get_policy),
            ("POST", one + ":setIamPolicy", "set_policy", self.set_policy),
        ]

    async def create(self, call: Call) -> Json:
        """Answers with an operation; there is no agent before that has ended."""
        name, given = self._new_name(call), await call.body()
        check_agent(given)
        request_id = _request_id(call)
        return self._begin(call, "create", name, lambda: self._create(name, given, request_id))

    async def create_now(self, call: Call) -> Json:
        """The agent."""
        return self._create(self._new_name(call), await call.body(), _request_id(call))

    async def list(self, call: Call) -> Json:
        """A page; there is one caller, so all agents are accessible."""
        query = call.http.query
        fits = read_filter(query.get("filter", ""))
        found = self._cloud.agents.under(call.parent, deleted=query.get("showDeleted") == "true")
        if query.get("creatorFilter") in {"3", "NOT_CREATOR_ONLY"}:
            found = []
        page, following = page_of([one for one in found if fits(one)], query)
        return {"dataAgents": list(page)} | ({"nextPageToken": following} if following else {})

    async def get(self, call: Call) -> Json:
        """The agent; one that was deleted has a deleteTime."""
        return self._cloud.agents.get(call.name("dataAgents"))

    async def update(self, call: Call) -> Json:
        """Answers with an operation."""
        name, given, mask = call.name("dataAgents"), await call.body(), call.http.query.get("updateMask", "")
        self._cloud.agents.alive(name)
        request_id = _request_id(call)
        return self._begin(call, "update", name, lambda: self._update(name, given, mask, request_id))

    async def update_now(self, call: Call) -> Json:
        """The agent as it is now."""
        name, mask = call.name("dataAgents"), call.http.query.get("updateMask", "")
        return self._update(name, await call.body(), mask, _request_id(call))

    async def delete(self, call: Call) -> Json:
        """Answers with an operation."""
        name, request_id = call.name("dataAgents"), _request_id(call)
        self._cloud.agents.alive(name)

        def work() -> None:
            self._delete(name, request_id)

        return self._begin(call, "delete", name, work)

    async def delete_now(self, call: Call) -> Json:
        """Nothing."""
        self._delete(call.name("dataAgents"), _request_id(call))
        return {}

    async def get_policy(self, call: Call) -> Json:
        """Who may do what."""
        return self._cloud.agents.policy(call.name("dataAgents"))

    async def set_policy(self, call: Call) -> Json:
        """The same, changed."""
        return self._cloud.agents.policy(call.name("dataAgents"), (await call.body()).get("policy", {}))

    def _create(self, name: str, given: Json, request_id: str) -> Json:
        return self._cloud.agents.once(name, request_id, lambda: self._cloud.agents.create(name, given))

    def _update(self, name: str, given: Json, mask: str, request_id: str) -> Json:
        return self._cloud.agents.once(name, request_id, lambda: self._cloud.agents.update(name, given, mask))

    def _delete(self, name: str, request_id: str) -> None:
        self._cloud.agents.once(name, request_id, lambda: self._cloud.agents.delete(name))

    def _begin(self, call: Call, verb: str, name: str, work: Any) -> Json:
        stuck = self._cloud.faults.strikes(call.faults.stuck)
        return self._cloud.operations.begin(call.parent, verb, name, work, stuck=stuck)

    def _new_name(self, call: Call) -> str:
        given = call.http.query.get("dataAgentId") or f"agent-{uuid.uuid4()}"
        return f"{call.parent}/dataAgents/{check_id(given, 'data_agent_id')}"


def _request_id(call: Call) -> str:
    return check_request_id(call.http.query.get("requestId", ""))
