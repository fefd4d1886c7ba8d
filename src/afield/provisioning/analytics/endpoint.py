"""Where the service is, how to get in, and calls of the blocking client library made from an event loop.

The library's own transport for asyncio is gRPC, which cannot be pointed at a plain HTTP server; REST can, and a few
calls a minute do not need more. The library has no default time limits, so every call here has one.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import geminidataanalytics as api
from google.cloud.geminidataanalytics_v1.services.data_agent_service.transports.rest import (
    DataAgentServiceRestTransport,
)
from google.cloud.geminidataanalytics_v1.services.data_chat_service.transports.rest import DataChatServiceRestTransport

from afield.errors import InvalidInputError
from afield.provisioning.analytics.failures import PassingError, translated
from afield.provisioning.warehouse.bigquery_credentials import credentials_of

T = TypeVar("T")
_HOST = "geminidataanalytics.googleapis.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A project's place in the service. Without credentials, those of `key_file`, or else of the environment."""

    project: str
    location: str = "global"
    host: str = _HOST
    scheme: str = "https"
    credentials: Credentials | None = None
    key_file: Path | None = None

    @classmethod
    def at(cls, url: str, project: str, location: str = "global") -> Endpoint:
        """A service at another address. Over plain http, which only a simulator speaks, without a credential."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise InvalidInputError(f"{url[:200]!r} is no address.", hint="Use http://HOST:PORT or https://HOST.")
        anonymous = AnonymousCredentials() if parts.scheme == "http" else None  # type: ignore[no-untyped-call]
        return cls(project=project, location=location, host=parts.netloc, scheme=parts.scheme, credentials=anonymous)

    @property
    def parent(self) -> str:
        """What all names begin with."""
        return f"projects/{self.project}/locations/{self.location}"

    def agent(self, agent_id: str) -> str:
        """The full name of a data agent."""
        return f"{self.parent}/dataAgents/{agent_id}"

    def conversation(self, conversation_id: str) -> str:
        """The full name of a conversation."""
        return f"{self.parent}/conversations/{conversation_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one try may take, how many there are, and the pause before the second; later ones are longer."""

    seconds: float = 30.0
    tries: int = 4
    pause: float = 0.5
    most_pause: float = 20.0

    def before(self, number: int, wanted: float) -> float:
        """Seconds to wait before the try of this number (2 and up); `wanted`: what the service asked for."""
        grown = self.pause * 2.0 ** (number - 2) * random.uniform(0.8, 1.2)  # noqa: S311 - so that not all come at once
        return min(max(grown, wanted), self.most_pause)


class Clients:
    """The library's two clients, made when first needed: finding credentials may take the network."""

    def __init__(self, endpoint: Endpoint, patience: Patience) -> None:
        self.endpoint = endpoint
        self._patience = patience
        self._making = threading.RLock()

    @property
    def agents(self) -> api.DataAgentServiceClient:
        """For data agents. Blocks at first."""
        with self._making:
            return self._agents

    @property
    def chats(self) -> api.DataChatServiceClient:
        """For chats and conversations. Blocks at first."""
        with self._making:
            return self._chats

    async def call(self, doing: str, call: Callable[[float], T]) -> T:
        """Make a blocking call with a time limit in a thread; again, if it may work then. It has to be one that can be
        repeated. Raises AfieldError."""
        number = 1
        while True:
            try:
                return await asyncio.to_thread(self._try, doing, call)
            except PassingError as error:
                number += 1
                if number > self._patience.tries:
                    raise
                await asyncio.sleep(self._patience.before(number, error.retry_after))

    async def close(self) -> None:
        """Close connections."""
        await asyncio.to_thread(self._close)

    def _try(self, doing: str, call: Callable[[float], T]) -> T:
        with translated(doing):
            return call(self._patience.seconds)

    def _close(self) -> None:
        with self._making:
            for name in ("_agents", "_chats"):
                client = self.__dict__.pop(name, None)
                if client is not None:
                    client.transport.close()

    @cached_property
    def _credentials(self) -> Credentials | None:
        return self.endpoint.credentials or credentials_of(self.endpoint.key_file)

    @cached_property
    def _agents(self) -> api.DataAgentServiceClient:
        at, known = self.endpoint, self._credentials
        transport = DataAgentServiceRestTransport(host=at.host, url_scheme=at.scheme, credentials=known)
        return api.DataAgentServiceClient(transport=transport)

    @cached_property
    def _chats(self) -> api.DataChatServiceClient:
        at, known = self.endpoint, self._credentials
        transport = DataChatServiceRestTransport(host=at.host, url_scheme=at.scheme, credentials=known)
        return api.DataChatServiceClient(transport=transport)
