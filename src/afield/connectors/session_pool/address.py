"""Where a session pool is, and how to sign in there."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from afield.connectors.azure.address import AzureAccountAddress, ServiceUrl
from afield.connectors.session_pool.evidence import AUDIENCE, PoolKind, form_of

_POOL_ID = re.compile(
    r"/subscriptions/[^/?#\s]+/resourceGroups/[^/?#\s]+/providers/Microsoft\.App/sessionPools/[^/?#\s]+", re.IGNORECASE
)


class PoolAddress(AzureAccountAddress):
    """A pool, by its resource id or its endpoint. The endpoint of a resource id is read from the resource, never built.

    With both, the endpoint is used as it is, and the resource only to diagnose.
    """

    pool_id: str | None = Field(default=None, description="Full resource id of the pool.")
    endpoint: ServiceUrl | None = Field(default=None, description="The pool's management endpoint.")
    audience: str = Field(default=AUDIENCE, pattern=r"^https://[^\s?#]+$", description="Whom the tokens are for.")

    @field_validator("pool_id")
    @classmethod
    def _is_a_pool(cls, value: str | None) -> str | None:
        if value is not None and _POOL_ID.fullmatch(value.rstrip("/")) is None:
            raise ValueError("must be /subscriptions/…/resourceGroups/…/providers/Microsoft.App/sessionPools/…")
        return value.rstrip("/") if value is not None else None

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if self.pool_id is None and self.endpoint is None:
            raise ValueError("pool_id or endpoint is needed")
        return self


class CustomPoolAddress(PoolAddress):
    """A pool of containers with Afield's adapter in them."""

    kind: Literal["custom"] = "custom"

    @model_validator(mode="after")
    def _not_regional(self) -> Self:
        if self.endpoint is not None and form_of(self.endpoint) is PoolKind.INTERPRETER:
            raise ValueError(
                "this endpoint has the form of a code-interpreter pool: use the connector session_pool_interpreter, "
                "or the pool's own poolManagementEndpoint"
            )
        return self


class InterpreterPoolAddress(PoolAddress):
    """A pool of Azure's own interpreters."""

    kind: Literal["interpreter"] = "interpreter"
