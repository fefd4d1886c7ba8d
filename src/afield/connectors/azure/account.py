"""An Azure account: the subscriptions that one credential can read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Annotated, ClassVar, Self, cast

from pydantic import Field, StringConstraints

from afield.connectors.accounts import Account, AccountContext, Machine, Trail
from afield.connectors.azure.address import AzureAccountAddress
from afield.connectors.azure.api import AzureApi
from afield.connectors.azure.checks import answer_of, failed, ok
from afield.connectors.azure.credential import require_secret
from afield.connectors.azure.discovery import VMS_VERSION, AzureDiscovery
from afield.connectors.azure.grants import may_do, read_subscriptions, read_token
from afield.connectors.azure.permissions import MANAGED_NEEDS
from afield.connectors.azure.view import as_objects
from afield.connectors.base import Check, CheckResult, CheckVerdict, Probe, TargetContext

Subscription = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")]


class AzureDiscoveryAddress(AzureAccountAddress):
    """How to sign in, and where to look for machines."""

    subscriptions: tuple[Subscription, ...] = Field(
        default=(), description="Ids of the subscriptions to look in; all that can be read when none is named."
    )


class AzureAccount(Account[AzureDiscoveryAddress]):
    """Finds virtual machines and tests the connection; runs nothing."""

    name: ClassVar[str] = "azure"
    Address = AzureDiscoveryAddress

    def __init__(self, api: AzureApi, address: AzureDiscoveryAddress) -> None:
        self._api = api
        self._address = address

    @classmethod
    async def open(cls, context: AccountContext) -> Self:
        """Bind to the account. Raises CredentialError when the credential lacks a key."""
        address = AzureDiscoveryAddress.model_validate(context.address)
        require_secret(address, context.secret, context.name)
        # The calls need of a context what an account's has, too: name, secret, tokens, clock.
        return cls(await AzureApi.open(cast("TargetContext", context), address), address)

    async def close(self) -> None:
        await self._api.close()

    def discover(self, trail: Trail) -> AsyncIterator[Machine]:
        return AzureDiscovery(self._api, self._address, self._address.subscriptions, trail).machines()

    def check(self) -> Sequence[Check]:
        """Token, subscriptions, the right to read machines and the right to run commands on them."""
        return (
            _check("token", partial(read_token, self._api)),
            _check("subscriptions", self._readable, "token"),
            _check("machines", self._machines, "subscriptions"),
            _check("permission", self._permission, "subscriptions"),
        )

    async def _readable(self) -> CheckResult:
        asked = "GET the subscriptions that the credential can read"
        seen = await read_subscriptions(self._api)
        known = {identity.lower() for identity in seen}
        hidden = [named for named in self._address.subscriptions if named.lower() not in known]
        answered = f"{len(seen)}: {', '.join(seen[:5])}"
        step = "Give the credential a role on the subscription, Reader at least, and check its tenant."
        if hidden:
            cause = f"The credential cannot read the subscription {hidden[0]}, which the account names."
            return failed(asked, answered, cause, step)
        if not seen:
            return failed(asked, "none", "The credential can read no subscription.", step)
        return ok(asked, answered)

    async def _machines(self) -> CheckResult:
        asked = "GET the first page of virtual machines of each subscription"
        found = 0
        for subscription in await self._subscriptions():
            path = f"/subscriptions/{subscription}/providers/Microsoft.Compute/virtualMachines"
            page = await self._api.get_json(path, {"api-version": VMS_VERSION})
            found += len(as_objects(page.get("value")))
        return ok(asked, f"{found} machines")

    async def _permission(self) -> CheckResult:
        results = [
            await may_do(self._api, f"/subscriptions/{subscription}", MANAGED_NEEDS)
            for subscription in await self._subscriptions()
        ]
        bad = (result for result in results if result.verdict is not CheckVerdict.OK)
        return next(
            bad, ok(_ASKED["permission"], f"all of {', '.join(MANAGED_NEEDS)}, in {len(results)} subscriptions")
        )

    async def _subscriptions(self) -> Sequence[str]:
        return self._address.subscriptions or await read_subscriptions(self._api)


def _check(name: str, probe: Probe, *needs: str) -> Check:
    return Check(name=name, probe=partial(answer_of, _ASKED[name], probe), needs=needs)


_ASKED = {
    "token": "GET the subscriptions, with an access token",
    "subscriptions": "GET the subscriptions that the credential can read",
    "machines": "GET the first page of virtual machines of each subscription",
    "permission": "GET what the credential may do in each subscription",
}
