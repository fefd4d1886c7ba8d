"""Routes of conversations, their messages, and operations."""

import uuid
from typing import Any

from .cloud import Cloud
from .filters import read_filter
from .gate import Call, Handler
from .paging import page_of
from .rules import check_conversation, check_id

Json = dict[str, Any]


class ConversationRoutes:
    """Everything under `conversations` and `operations`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """Method, path below the location, kind of call, handler."""
        one, operation = "/conversations/{id:[^/:]+}", "/operations/{id:[^/:]+}"
        return [
            ("POST", "/conversations", "create_conversation", self.create),
            ("GET", "/conversations", "list_conversations", self.list),
            ("GET", one, "get_conversation", self.get),
            ("PATCH", one, "update_conversation", self.update),
            ("DELETE", one, "delete_conversation", self.delete),
            ("GET", one + "/messages", "list_messages", self.messages),
            ("GET", "/operations", "list_operations", self.operations),
            ("GET", operation, "get_operation", self.operation),
            ("POST", operation + ":cancel", "cancel_operation", self.cancel),
            ("DELETE", operation, "delete_operation", self.forget),
        ]

    async def create(self, call: Call) -> Json:
        """A conversation with one agent, which has to be there."""
        given = await call.body()
        name = call.http.query.get("conversationId") or f"conversation-{uuid.uuid4()}"
        check_conversation(given)
        self._cloud.agents.alive(given["agents"][0])
        return self._cloud.conversations.create(
            f"{call.parent}/conversations/{check_id(name, 'conversation_id')}", given
        )

    async def list(self, call: Call) -> Json:
        """A page."""
        fits = read_filter(call.http.query.get("filter", ""))
        found = [one for one in self._cloud.conversations.under(call.parent) if fits(one)]
        page, following = page_of(found, call.http.query)
        return {"conversations": list(page)} | ({"nextPageToken": following} if following else {})

    async def get(self, call: Call) -> Json:
        """The conversation."""
        return self._cloud.conversations.get(call.name("conversations"))

    async def update(self, call: Call) -> Json:
        """Its title and labels can be changed."""
        mask = call.http.query.get("updateMask", "")
        return self._cloud.conversations.update(call.name("conversations"), await call.body(), mask)

    async def delete(self, call: Call) -> Json:
        """It and what was said in it are gone."""
        self._cloud.conversations.delete(call.name("conversations"))
        return {}

    async def messages(self, call: Call) -> Json:
        """A page of what was said, the oldest first."""
        fits = read_filter(call.http.query.get("filter", ""))
        said = self._cloud.conversations.messages(call.name("conversations"))
        page, following = page_of([one for one in said if fits({"createTime": one["timestamp"]})], call.http.query)
        shown = [{"messageId": one["messageId"], "message": one} for one in page]
        return {"messages": shown} | ({"nextPageToken": following} if following else {})

    async def operations(self, call: Call) -> Json:
        """A page."""
        page, following = page_of(self._cloud.operations.under(call.parent), call.http.query)
        return {"operations": list(page)} | ({"nextPageToken": following} if following else {})

    async def operation(self, call: Call) -> Json:
        """The operation, as far as it got."""
        return self._cloud.operations.get(call.name("operations"))

    async def cancel(self, call: Call) -> Json:
        """What it was to do is not done, unless it is done."""
        self._cloud.operations.cancel(call.name("operations"))
        return {}

    async def forget(self, call: Call) -> Json:
        """Forget one that has ended."""
        self._cloud.operations.delete(call.name("operations"))
        return {}
