"""The real client library, pointed at the simulator. Its calls block: a test makes them through `Google.do`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from google.auth.credentials import AnonymousCredentials
from google.cloud import geminidataanalytics as api
from google.cloud.geminidataanalytics_v1.services.data_agent_service.transports.rest import (
    DataAgentServiceRestTransport,
)
from google.cloud.geminidataanalytics_v1.services.data_chat_service.transports.rest import DataChatServiceRestTransport
from google.protobuf.json_format import MessageToDict

from afield_sim.testing import Analytics, AnalyticsAdmin

T = TypeVar("T")
PARENT = "projects/acme/locations/global"
AGENT = f"{PARENT}/dataAgents/sales"
CONTEXT: dict[str, Any] = {
    "systemInstruction": "Be brief.",
    "datasourceReferences": {
        "bq": {
            "tableReferences": [
                {
                    "projectId": "acme",
                    "datasetId": "shop",
                    "tableId": "orders",
                    "schema": {"fields": [{"name": "amount", "type": "NUMERIC"}]},
                }
            ]
        }
    },
    "exampleQueries": [
        {
            "naturalLanguageQuestion": "How many orders?",
            "sqlQuery": "SELECT COUNT(*) AS orders FROM `acme.shop.orders`",
        },
        {"naturalLanguageQuestion": "Revenue by shop?", "sqlQuery": "SELECT 1"},
    ],
}


def agent(**analytics: Any) -> api.DataAgent:
    """An agent with the sample context on staging, or with the contexts named."""
    fields = analytics or {"stagingContext": CONTEXT}
    return api.DataAgent.from_json(_json({"displayName": "Sales", "dataAnalyticsAgent": fields}))


def question(text: str, **fields: Any) -> api.ChatRequest:
    """A chat request with one user message; `fields` in JSON names."""
    body = {"parent": PARENT, "messages": [{"userMessage": {"text": text}}], **fields}
    return api.ChatRequest.from_json(_json(body))


def staged(text: str) -> api.ChatRequest:
    """The same for the sample agent, on staging."""
    return question(text, dataAgentContext={"dataAgent": AGENT, "contextVersion": "STAGING"})


def plain(message: Any) -> dict[str, Any]:
    """A message of the library as JSON, enums by name."""
    found: dict[str, Any] = MessageToDict(type(message).pb(message))
    return found


def kinds(messages: list[Any]) -> list[str]:
    """What each system message is: `text/THOUGHT`, `data/generatedSql`, ..."""
    return [_kind(plain(message)["systemMessage"]) for message in messages]


def _kind(said: dict[str, Any]) -> str:
    kind = next(key for key in said if key not in {"groupId", "citation"})
    return f"{kind}/{said['text']['textType'] if kind == 'text' else next(iter(said[kind]))}"


def _json(value: object) -> str:

    return json.dumps(value)


@dataclass(frozen=True)
class Google:
    """Both services of the library, and the simulator behind them."""

    agents: api.DataAgentServiceClient
    chats: api.DataChatServiceClient
    admin: AnalyticsAdmin
    sim: Analytics

    @classmethod
    def at(cls, sim: Analytics) -> Google:
        where: dict[str, Any] = {
            "host": sim.access.host,
            "url_scheme": "http",
            "credentials": AnonymousCredentials(),
        }
        return cls(
            api.DataAgentServiceClient(transport=DataAgentServiceRestTransport(**where)),
            api.DataChatServiceClient(transport=DataChatServiceRestTransport(**where)),
            sim.admin,
            sim,
        )

    async def do(self, call: Callable[..., T], *args: Any, **fields: Any) -> T:
        """Make a blocking call in a thread."""
        return await asyncio.to_thread(call, *args, timeout=10, **fields)

    async def create(self, **fields: Any) -> api.DataAgent:
        """The sample agent."""
        request = {"parent": PARENT, "data_agent_id": "sales", "data_agent": agent(), **fields}
        return await self.do(self.agents.create_data_agent_sync, api.CreateDataAgentRequest(request))

    async def chat(self, request: api.ChatRequest) -> list[api.Message]:
        """All messages of a stream."""
        return await self.do(lambda timeout: list(self.chats.chat(request, timeout=timeout)))

    def close(self) -> None:
        self.agents.transport.close()
        self.chats.transport.close()
