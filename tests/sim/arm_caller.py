"""A caller of the simulated cloud that knows nothing but HTTP."""

import asyncio
from typing import Any

import aiohttp
import orjson
from sim_caller import Answer

from afield_sim.testing import ArmAdmin, Simulator

API_VERSION = "2026-04-01"
MANAGEMENT = "https://management.azure.com"


class Azure:
    """Calls about one machine, the first unless told otherwise."""

    def __init__(self, sim: Simulator, http: aiohttp.ClientSession, number: int = 0) -> None:
        self.sim = sim
        self.http = http
        self.number = number
        self.vm = sim.arm.vms[number]
        self.headers = {"Authorization": f"Bearer {sim.tokens.issue(MANAGEMENT)}"}

    def at(self, number: int) -> "Azure":
        return Azure(self.sim, self.http, number)

    @property
    def admin(self) -> ArmAdmin:
        return self.sim.arm_admin

    async def fault(self, name: str, **params: Any) -> None:
        await self.admin.add_faults({self.vm.name: {name: params}})

    async def send(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        """Path below the base URL, or a whole URL that was given."""
        data = None if body is None else orjson.dumps(body)
        whole = path.startswith("http")
        params = None if whole else {"api-version": API_VERSION, **{key: str(value) for key, value in query.items()}}
        url = path if whole else self.sim.arm.base_url + path
        async with self.http.request(method, url, data=data, params=params, headers=self.headers) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def call(self, method: str, path: str = "", body: Any = None, **query: Any) -> Answer:
        return await self.send(method, self.vm.id + path, body, **query)

    async def settle(self, answer: Answer) -> dict[str, Any]:
        """Poll the operation an answer announced, until it is over."""
        assert answer.status in {200, 201, 202}, answer
        while True:
            operation = (await self.send("GET", answer.headers["Azure-AsyncOperation"])).json
            if operation["status"] != "InProgress":
                return operation
            await asyncio.sleep(0.01)

    async def act(self, *script: str, command_id: str = "RunShellScript", **more: Any) -> Answer:
        """An action run command."""
        return await self.call("POST", "/runCommand", {"commandId": command_id, "script": list(script), **more})

    async def message(self, answer: Answer) -> str:
        operation = await self.settle(answer)
        return operation["properties"]["output"]["value"][0]["message"]

    async def put(self, name: str, script: str | None = "true", **properties: Any) -> Answer:
        """A managed run command."""
        source = {"source": {"script": script}} if script is not None else {}
        body = {"location": "westeurope", "properties": {**source, **properties}}
        return await self.call("PUT", f"/runCommands/{name}", body)

    async def ran(self, name: str, script: str, **properties: Any) -> dict[str, Any]:
        """The instance view of a managed run command after its operation is over."""
        await self.settle(await self.put(name, script, **properties))
        return await self.view(name)

    async def shown(self, name: str, **query: Any) -> dict[str, Any]:
        answer = await self.call("GET", f"/runCommands/{name}", **query)
        assert answer.status == 200, answer
        return answer.json["properties"]

    async def view(self, name: str) -> dict[str, Any]:
        return (await self.shown(name, **{"$expand": "instanceView"}))["instanceView"]

    async def listed(self) -> list[str]:
        return [one["name"] for one in (await self.call("GET", "/runCommands")).json["value"]]

    async def instance_view(self) -> dict[str, Any]:
        return (await self.call("GET", "/instanceView")).json

    async def extension_status(self) -> str | None:
        found = (await self.instance_view()).get("extensions")
        return found[0]["statuses"][0]["code"] if found else None

    async def codes(self) -> list[str]:
        return [one["code"] for one in (await self.instance_view())["statuses"]]


def error_of(answer: Answer) -> tuple[int, str, str]:
    return answer.status, answer.json["error"]["code"], answer.json["error"]["message"]
