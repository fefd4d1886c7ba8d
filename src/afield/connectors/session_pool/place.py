"""A pool as its connectors hold it: its certificates, and who asks it for a diagnosis."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import aiohttp

from afield.connectors.adapter.connector import probe_session
from afield.connectors.base import TargetContext
from afield.connectors.session_pool.address import CustomPoolAddress, InterpreterPoolAddress
from afield.connectors.session_pool.doors import PoolDoors
from afield.connectors.session_pool.evidence import PoolKind, PoolPlace
from afield.connectors.session_pool.probe import HttpProbe
from afield.model.jsontypes import JsonObject


def tls_of(address: CustomPoolAddress | InterpreterPoolAddress) -> ssl.SSLContext:
    """The certificates to trust. Reads files: not for an event loop."""
    context = ssl.create_default_context()
    if address.ca_file is not None:
        context.load_verify_locations(cafile=address.ca_file)
    return context


def probe_of(
    context: TargetContext,
    address: CustomPoolAddress | InterpreterPoolAddress,
    doors: PoolDoors,
    session: aiohttp.ClientSession,
    tls: ssl.SSLContext,
) -> HttpProbe:
    """Asks the pool for a diagnosis."""
    place = PoolPlace(
        pool_id=address.pool_id,
        endpoint=address.endpoint,
        kind=PoolKind(address.kind),
        audience=address.audience,
        probe_identifier=probe_session(context),
    )

    async def arm(path: str, query: Mapping[str, str]) -> JsonObject:
        return await doors.endpoint.arm(path, dict(query))

    ask_arm = arm if place.arm_id else None
    return HttpProbe(place, session, doors.tokens.token, ask_arm, clock=context.clock, tls=tls)
