"""Data agents in Google's Conversational Analytics API (v1)."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar
from uuid import uuid4

import structlog
from google.cloud import geminidataanalytics as api
from google.protobuf.field_mask_pb2 import FieldMask  # type: ignore[import-untyped]

from afield.errors import ConflictError, InvalidInputError, NotFoundError
from afield.model.jsontypes import JsonObject
from afield.provisioning.agents.data_agents import DataAgentRecord
from afield.provisioning.analytics.chat import GoogleChat
from afield.provisioning.analytics.context import fitted
from afield.provisioning.analytics.endpoint import Clients, Endpoint, Patience
from afield.provisioning.analytics.record import STAGED_FIELDS, from_wire, is_deleted, to_wire
from afield.provisioning.analytics.wire import json_of, message_of

log = structlog.get_logger(__name__)
T = TypeVar("T")


class GoogleDataAgents:
    """A `DataAgents` of one project. Close it, or use it as a context.

    The calls that answer when it is done are used throughout, so there is nothing to wait for. Each has a request id,
    kept over its repetitions: a lost reply makes no second agent.
    """

    def __init__(self, endpoint: Endpoint, patience: Patience | None = None) -> None:
        self._endpoint = endpoint
        self._clients = Clients(endpoint, patience or Patience())
        self.chat = GoogleChat(self._clients)

    async def stage(self, agent: DataAgentRecord) -> DataAgentRecord:
        """Create it on staging, or renew its staging context. Also raises ConflictError: its name belongs to an agent
        that was deleted."""
        fit = fitted(agent.staging_context)
        for cut in fit.cuts:
            log.warning("context_cut", agent_id=agent.agent_id, cut=cut)
        wire = message_of(api.DataAgent, to_wire(agent.model_copy(update={"staging_context": fit.context})))
        try:
            return await self._create(agent.agent_id, wire)
        except ConflictError:
            await self._alive(agent.agent_id)
            return await self._update(agent.agent_id, wire, STAGED_FIELDS)

    async def publish(self, agent_id: str) -> DataAgentRecord:
        """Make the staging context the published one. Raises NotFoundError, InvalidInputError: nothing is staged."""
        analytics = (await self._found(agent_id)).get("dataAnalyticsAgent")
        staged = analytics.get("stagingContext") if isinstance(analytics, dict) else None
        if not staged:
            raise InvalidInputError(f"The data agent {agent_id} has no staging context.", hint="Stage it first.")
        wire = message_of(api.DataAgent, {"dataAnalyticsAgent": {"publishedContext": staged}})
        return await self._update(agent_id, wire, ("data_analytics_agent.published_context",))

    async def get(self, agent_id: str) -> DataAgentRecord:
        """Raises NotFoundError, also for one that is deleted and not purged yet."""
        return from_wire(await self._found(agent_id))

    async def delete(self, agent_id: str) -> None:
        """Delete it softly; the service purges it later. Nothing happens when it is not there."""
        request = api.DeleteDataAgentRequest(name=self._endpoint.agent(agent_id), request_id=str(uuid4()))
        try:
            await self._call(
                f"Deleting the data agent {agent_id}",
                lambda seconds: self._clients.agents.delete_data_agent_sync(request, timeout=seconds),
            )
        except NotFoundError:
            return

    async def close(self) -> None:
        """Close connections."""
        await self._clients.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _create(self, agent_id: str, wire: api.DataAgent) -> DataAgentRecord:
        request = api.CreateDataAgentRequest(
            parent=self._endpoint.parent, data_agent_id=agent_id, data_agent=wire, request_id=str(uuid4())
        )
        made = await self._call(
            f"Creating the data agent {agent_id}",
            lambda seconds: self._clients.agents.create_data_agent_sync(request, timeout=seconds),
        )
        return from_wire(json_of(made))

    async def _update(self, agent_id: str, wire: api.DataAgent, fields: tuple[str, ...]) -> DataAgentRecord:
        wire.name = self._endpoint.agent(agent_id)
        request = api.UpdateDataAgentRequest(
            data_agent=wire, update_mask=FieldMask(paths=fields), request_id=str(uuid4())
        )
        made = await self._call(
            f"Changing the data agent {agent_id}",
            lambda seconds: self._clients.agents.update_data_agent_sync(request, timeout=seconds),
        )
        return from_wire(json_of(made))

    async def _found(self, agent_id: str) -> JsonObject:
        request = api.GetDataAgentRequest(name=self._endpoint.agent(agent_id))
        found = await self._call(
            f"Looking for the data agent {agent_id}",
            lambda seconds: self._clients.agents.get_data_agent(request, timeout=seconds),
        )
        shown = json_of(found)
        if is_deleted(shown):
            raise NotFoundError(f"The data agent {agent_id} was deleted.", hint="Make a new one, with another name.")
        return shown

    async def _alive(self, agent_id: str) -> None:
        try:
            await self._found(agent_id)
        except NotFoundError as error:
            hint = "Its name is taken until the service purges it: start the job anew with clone."
            raise ConflictError(error.message, hint=hint) from None

    async def _call(self, doing: str, call: Callable[[float], T]) -> T:
        return await self._clients.call(doing, call)
