"""Session pools from a test's side: how to reach them, and their part of the admin service."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..sessions.container import COMMAND
from .caller import AdminCaller, Json

LIGHT_CONTAINER = (*COMMAND, "--languages", "python,bash", "--lanes", "2")
"""A container that starts more quickly, for tests that need no more than this: see `container_command`."""


@dataclass(frozen=True, slots=True)
class PoolAccess:
    """A pool as the ready file names it."""

    endpoint: str
    resource_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsAccess:
    """How to reach the session pools: the `sessions` entry of the ready file; `https` has endpoints by kind."""

    custom: PoolAccess
    interpreter: PoolAccess
    shell: PoolAccess
    https: Mapping[str, str]
    arm_base_url: str
    token_endpoint: str
    authority: str
    ca_file: str
    tenant_id: str
    client_id: str
    client_secret: str
    object_id: str
    audience: str


def read_sessions_access(ready: Mapping[str, Any]) -> SessionsAccess:
    """The access to the session pools out of a ready file's content."""
    entry = {field.name: ready["sessions"][field.name] for field in fields(SessionsAccess)}
    pools = {kind: PoolAccess(**entry[kind]) for kind in ("custom", "interpreter", "shell")}
    return SessionsAccess(**{**entry, **pools})


class SessionsAdmin(AdminCaller):
    """A client of the admin service, for everything about session pools."""

    async def fault(self, pool: str, **faults: object) -> Json:
        """Add faults to a pool (`*`: all without faults of their own): parameters, or True for the usual ones."""
        return await self.call("PATCH", "/admin/sessions/faults", {pool: faults})

    async def clear_faults(self, pool: str | None = None, fault: str | None = None) -> Json:
        """Take back all faults, those of a pool, or one of them."""
        return await self.call("DELETE", "/admin/sessions/faults", pool=pool, fault=fault)

    async def faults(self) -> Json:
        """All faults that are set, by pool."""
        return await self.call("GET", "/admin/sessions/faults")

    async def settings(self, **settings: object) -> Json:
        """Change the settings that are named; all of them."""
        return await self.call("PUT", "/admin/sessions/settings", settings)

    async def counts(self, pool: str) -> Json:
        """What happened at a pool: `runs` by identifier and run id, `sessions`, `containers`, `rejected`, more."""
        return await self.call("GET", "/admin/sessions/counts", pool=pool)

    async def sessions(self, pool: str | None = None) -> list[Json]:
        """The sessions of a pool, or of all, with the ids and process ids of their containers."""
        found: list[Json] = (await self.call("GET", "/admin/sessions/sessions", pool=pool))["sessions"]
        return found

    async def wake(self, pool: str | None = None) -> None:
        """Start the instances of a pool that are to wait."""
        await self.call("POST", "/admin/sessions/wake", pool=pool)

    async def wait(self, what: str = "sessions", **query: object) -> int:
        """Wait for `at_least` of `what`; the count reached. AssertionError when it does not come.

        `what` is `sessions`, `ready`, `in_flight`, `forwarded`, `allocated`, `stopped`, `expired`, `rejected`,
        `crashed` or `idle`; `pool` and `timeout` narrow it.
        """
        found = await self.call("GET", "/admin/sessions/wait", what=what, **query)
        if not found["met"]:
            raise AssertionError(f"waited for {what} {query}, there were {found['count']}")
        return int(found["count"])

    async def reset(self) -> None:
        """Back to the beginning: the first pools, no sessions, no faults, no counts."""
        await self.call("POST", "/admin/sessions/reset")
