"""The emulated AMC from a test's side: how to reach it, and its part of the admin service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .caller import AdminCaller, Json, Plan


@dataclass(frozen=True, slots=True)
class AmcAccess:
    """How to reach the emulated AMC: the `amc` entry of the ready file."""

    base_url: str
    lwa_token_url: str
    client_id: str
    client_secret: str
    refresh_token: str
    entity_id: str
    marketplace_id: str
    instances: list[str]

    def headers(self, access_token: str) -> dict[str, str]:
        """The headers of a call with this access token."""
        return {
            "Authorization": f"Bearer {access_token}",
            "Amazon-Advertising-API-ClientId": self.client_id,
            "Amazon-Advertising-API-AdvertiserId": self.entity_id,
            "Amazon-Advertising-API-MarketplaceId": self.marketplace_id,
        }


class Admin(AdminCaller):
    """A client of the admin service, for everything about AMC; `session` stays the caller's to close."""

    async def faults(self) -> Json:
        """All faults that are set."""
        return await self.call("GET", "/admin/faults")

    async def put_faults(self, plan: Plan) -> Json:
        """Replace the faults of the instances named: `{instance id: {fault: parameters}}`."""
        return await self.call("PUT", "/admin/faults", plan)

    async def add_faults(self, plan: Plan) -> Json:
        """Add faults to those that are set."""
        return await self.call("PATCH", "/admin/faults", plan)

    async def clear_faults(self, instance_id: str | None = None, fault: str | None = None) -> Json:
        """Take back all faults, those of an instance, or one of them."""
        return await self.call("DELETE", "/admin/faults", instance_id=instance_id, fault=fault)

    async def settings(self) -> Json:
        """All settings."""
        return await self.call("GET", "/admin/settings")

    async def put_settings(self, instances: Plan | None = None, account: Mapping[str, object] | None = None) -> Json:
        """Change settings by instance id (`*` for all), or those of the account."""
        return await self.call("PUT", "/admin/settings", {"instances": instances or {}, "account": account or {}})

    async def executions(self, instance_id: str | None = None) -> list[Json]:
        """What really ran, in the order of arrival."""
        found = await self.call("GET", "/admin/executions", instance_id=instance_id)
        executions: list[Json] = found["executions"]
        return executions

    async def plant(self, instance_id: str, **fields: object) -> list[Json]:
        """Plant executions of somebody else."""
        made = await self.call("POST", "/admin/executions", {"instance_id": instance_id, **fields})
        executions: list[Json] = made["executions"]
        return executions

    async def force(self, execution_id: str, status: str, reason: str | None = None) -> Json:
        """Give an execution a status from outside."""
        body = {"status": status, "status_reason": reason}
        return await self.call("PATCH", f"/admin/executions/{execution_id}", body)

    async def counters(self) -> Json:
        """All counts: `calls`, `faults`, `tokens`."""
        return await self.call("GET", "/admin/counters")

    async def wait(self, **query: object) -> int:
        """Wait for `at_least` of `what`; the count reached. AssertionError when it does not come."""
        found = await self.call("GET", "/admin/wait", **query)
        if not found["met"]:
            raise AssertionError(f"waited for {query}, there were {found['count']}")
        return int(found["count"])

    async def advance(self, seconds: float) -> None:
        """Move the simulator's clock forward."""
        await self.call("POST", "/admin/clock", {"seconds": seconds})

    async def revoke_access_tokens(self) -> int:
        """Make all access tokens expired; how many."""
        return int((await self.call("POST", "/admin/tokens/revoke"))["revoked"])

    async def revoke_refresh_token(self) -> None:
        """Revoke the refresh token."""
        await self.call("POST", "/admin/refresh-token/revoke")

    async def restore_refresh_token(self) -> None:
        """Make the refresh token good again."""
        await self.call("POST", "/admin/refresh-token/restore")

    async def issue_code(self) -> str:
        """A new authorization code."""
        return str((await self.call("POST", "/admin/codes"))["code"])

    async def reset(self) -> None:
        """Forget everything but the credentials and the clock."""
        await self.call("POST", "/admin/reset")


def read_access(ready: Mapping[str, Any]) -> AmcAccess:
    """The AMC access out of a ready file's content."""
    return AmcAccess(**ready["amc"])
