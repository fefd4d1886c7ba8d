"""Finding machines: Resource Graph first, lists where it is refused, and what each way can promise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from azure_world import SECRET, SomeTokens, refusal

from afield.clock import SystemClock
from afield.connectors.accounts import AccountContext, Machine, Trail
from afield.connectors.azure.account import AzureAccount
from afield.connectors.azure.address import VmAddress
from afield.connectors.base import CheckVerdict
from afield.diagnose.diagnosis import Diagnosis
from afield.diagnose.ladder import climb
from afield.errors import CredentialError
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject

FORBIDDEN = refusal(403, "AuthorizationFailed", "The client does not have authorization to perform action 'x/read'")


def row(name: str, subscription: str, **more: Any) -> JsonObject:
    """A machine as both ways show it; the power state is told by Resource Graph alone."""
    group = f"/subscriptions/{subscription}/resourceGroups/OPS"
    return {
        "id": f"{group}/providers/Microsoft.Compute/virtualMachines/{name}",
        "name": name,
        "location": "westeurope",
        "tags": {"env": "prod"},
        "properties": {"storageProfile": {"osDisk": {"osType": "Windows"}}, **more},
    }


@dataclass
class Cloud:
    """Subscriptions with machines, and what is to go wrong."""

    url: str = ""
    machines: dict[str, list[str]] = field(default_factory=lambda: {"s1": ["a", "b", "c"], "s2": ["d"]})
    refused: set[str] = field(default_factory=set)  # kinds of calls, or subscriptions whose lists are refused
    page: int = 2
    lost: int = 0  # machines that Resource Graph announces and does not show
    actions: list[str] = field(default_factory=lambda: ["*"])
    next_host: str = ""
    asked: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        kind = {"permissions": "permissions", "virtualMachines": "list", "resources": "graph"}.get(parts[-1], parts[-1])
        self.asked.append(kind)
        if kind in self.refused or (kind == "list" and parts[1] in self.refused):
            return FORBIDDEN(request)
        if kind == "graph":
            return self._graph(await request.json())
        answers: dict[str, Any] = {
            "subscriptions": lambda: {"value": [{"subscriptionId": name} for name in self.machines]},
            "permissions": lambda: {"value": [{"actions": self.actions, "notActions": []}]},
            "list": lambda: self._list(parts[1], int(request.query.get("$skiptoken", 0))),
        }
        return web.json_response(answers[kind]())

    def _graph(self, body: Any) -> web.Response:
        assert "microsoft.compute/virtualmachines" in body["query"]
        running = {"extended": {"instanceView": {"powerState": {"code": "PowerState/running"}}}}
        rows = [row(name, sub, **running) for sub in body["subscriptions"] for name in self.machines[sub]]
        start = int(body["options"].get("$skipToken", 0))
        end = min(start + self.page, len(rows))
        shown: JsonObject = {"totalRecords": len(rows) + self.lost, "data": [*rows[start:end], {"id": "no machine"}]}
        return web.json_response({**shown, "$skipToken": str(end)} if end < len(rows) else shown)

    def _list(self, subscription: str, start: int) -> JsonObject:
        names = self.machines[subscription]
        end = start + self.page
        page: JsonObject = {"value": [row(name, subscription) for name in names[start:end]]}
        if end < len(names):
            host = self.next_host or self.url
            path = f"/subscriptions/{subscription}/providers/Microsoft.Compute/virtualMachines"
            page["nextLink"] = f"{host}{path}?api-version=2024-07-01&$skiptoken={end}"
        return page

    @asynccontextmanager
    async def account(self, *subscriptions: str, secret: dict[str, str] = SECRET) -> AsyncIterator[AzureAccount]:
        context = AccountContext(
            account_id=uuid7(),
            name="contoso",
            address={"management_url": self.url, "subscriptions": list(subscriptions)},
            secret=secret,
            tokens=SomeTokens(),
            clock=SystemClock(),
        )
        account = await AzureAccount.open(context)
        try:
            yield account
        finally:
            await account.close()

    async def discover(self, *subscriptions: str) -> tuple[list[Machine], Trail]:
        trail = Trail()
        async with self.account(*subscriptions) as account:
            return [machine async for machine in account.discover(trail)], trail

    async def check(self, *subscriptions: str) -> Diagnosis:
        async with self.account(*subscriptions) as account:
            return await climb("account contoso", account.check())


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    cloud = Cloud()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", cloud.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    cloud.url = f"http://{host}:{port}"
    yield cloud
    await runner.cleanup()


def names(machines: list[Machine]) -> str:
    return "".join(machine.name for machine in machines)


async def test_resource_graph_finds_all_of_all_subscriptions(cloud: Cloud) -> None:
    machines, trail = await cloud.discover()
    assert (names(machines), trail.way, trail.complete, trail.problem) == ("abcd", "resource graph", True, "")
    assert cloud.asked == ["subscriptions", "graph", "graph"]
    first = machines[0]
    assert (first.kind, first.power, first.group, first.location) == ("Windows", "running", "OPS", "westeurope")
    assert first.tags == {"env": "prod"}


async def test_what_is_found_is_the_address_of_a_target(cloud: Cloud) -> None:
    machines, _ = await cloud.discover("s2")
    assert machines[0].connector == "azure_vm"
    address = VmAddress.model_validate(machines[0].address)
    assert (address.vm_name, address.subscription_id, address.management_url) == ("d", "s2", cloud.url)


async def test_lists_are_read_where_resource_graph_is_refused(cloud: Cloud) -> None:
    cloud.refused = {"graph"}
    machines, trail = await cloud.discover()
    assert (names(machines), trail.way, trail.complete) == ("abcd", "lists of virtual machines", True)
    assert machines[0].power == ""
    assert "Resource Graph was not to be had" in trail.notes[0] and "403" in trail.notes[0]


async def test_named_subscriptions_are_the_only_ones_asked_about(cloud: Cloud) -> None:
    assert names((await cloud.discover("s2"))[0]) == "d"
    cloud.refused = {"graph"}
    assert names((await cloud.discover("s2"))[0]) == "d"
    assert "subscriptions" not in cloud.asked


async def test_a_listing_cut_short_is_not_complete(cloud: Cloud) -> None:
    cloud.lost = 1
    machines, trail = await cloud.discover()
    assert (names(machines), trail.complete) == ("abcd", False)
    assert trail.problem == "Resource Graph announced 5 machines and showed 4."


async def test_one_subscription_that_refuses_leaves_the_others(cloud: Cloud) -> None:
    cloud.refused = {"graph", "s1"}
    machines, trail = await cloud.discover()
    assert (names(machines), trail.complete) == ("d", False)
    assert "subscription s1 could not be listed (403 AuthorizationFailed" in trail.problem


async def test_a_next_page_on_another_host_is_not_asked_for(cloud: Cloud) -> None:
    cloud.refused = {"graph"}
    cloud.next_host = "http://127.0.0.2:1"
    machines, trail = await cloud.discover("s1")
    assert (names(machines), trail.complete) == ("", False)
    assert "away_from_home" in trail.problem


async def test_without_subscriptions_nothing_is_said_to_be_absent(cloud: Cloud) -> None:
    cloud.machines = {}
    assert (await cloud.discover())[1].complete is False
    cloud.refused = {"subscriptions"}
    machines, trail = await cloud.discover()
    assert (machines, trail.complete) == ([], False) and "could not be listed" in trail.problem


async def test_a_credential_without_its_keys_is_refused_at_once(cloud: Cloud) -> None:
    with pytest.raises(CredentialError, match="Azure credentials required"):
        async with cloud.account(secret={"tenant_id": "t"}):
            raise AssertionError("opened")
    assert cloud.asked == []


async def test_a_connection_that_works(cloud: Cloud) -> None:
    diagnosis = await cloud.check()
    assert {rung.name: rung.verdict for rung in diagnosis.rungs} == dict.fromkeys(
        ("token", "subscriptions", "machines", "permission"), CheckVerdict.OK
    )
    assert "graph" not in cloud.asked


@pytest.mark.parametrize(
    ("broken", "subscriptions", "said"),
    [
        ({"actions": ["*/read"]}, [], "may not Microsoft.Compute/virtualMachines/runCommands/write on s1"),
        ({"refused": {"list"}}, [], "Permission denied: the credential may not x/read"),
        ({"refused": {"permissions"}}, [], "Permission denied: the credential may not x/read"),
        ({"machines": {}}, [], "can read no subscription"),
        ({}, ["s9"], "cannot read the subscription s9"),
    ],
)
async def test_connections_that_do_not(
    cloud: Cloud, broken: dict[str, Any], subscriptions: list[str], said: str
) -> None:
    for name, value in broken.items():
        setattr(cloud, name, value)
    diagnosis = await cloud.check(*subscriptions)
    assert diagnosis.verdict is CheckVerdict.FAIL and said in diagnosis.sentence
