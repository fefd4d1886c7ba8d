"""The simulated cloud, as a process of its own that is spoken to over HTTP."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import Process
from pathlib import Path

import aiohttp
import orjson

from afield.errors import UnavailableError
from afield.model.jsontypes import JsonObject, JsonValue

AUTHORITY = "websites-ca.pem"
"""In the demo's folder: what the websites' certificates are signed by, once the cloud has started."""

_READY_WITHIN = 30.0
_STOP_WITHIN = 5.0
_CONTAINERS = {  # what their adapters find in their environment: small ones, on every host that can hold code at all
    "AFIELD_SANDBOX_LANGUAGES": "python",
    "AFIELD_SANDBOX_LANES": "2",
    "AFIELD_SANDBOX_MINIMUM": "landlock",
}


class Cloud:
    """A running `afield-sim`."""

    def __init__(self, folder: Path) -> None:
        self._ready_file = folder / "simulator.json"
        self._log = folder / "simulator.log"
        self._authority = folder / AUTHORITY
        self._process: Process | None = None
        self._admin = ""
        self.amc: JsonObject = {}
        self.arm: JsonObject = {}
        self.sessions: JsonObject = {}
        self.websites: JsonObject = {}

    async def start(self) -> None:
        """Start it and read where it is. Raises UnavailableError when it does not come up."""
        output = await asyncio.to_thread(self._log.open, "wb")
        arguments = ["-m", "afield_sim", "--ready-file", str(self._ready_file), "--instances", "3", "--vms", "5"]
        arguments.append("--websites")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdout=output,
            stderr=output,
            stdin=asyncio.subprocess.DEVNULL,
            env=_CONTAINERS | os.environ,
            start_new_session=True,  # a Ctrl-C is for us; we stop it in order
        )
        output.close()
        try:
            async with asyncio.timeout(_READY_WITHIN):
                while not self._ready_file.exists():
                    await self._still_there()
        except TimeoutError as error:
            raise UnavailableError("The simulator did not start.", hint=f"See {self._log}.") from error
        ready: dict[str, JsonObject] = orjson.loads(await asyncio.to_thread(self._ready_file.read_bytes))
        self._admin = str(ready["admin"]["base_url"]).rstrip("/")
        self.amc, self.arm, self.sessions = ready["amc"], ready["arm"], ready["sessions"]
        self.websites = ready["websites"]
        await asyncio.to_thread(shutil.copyfile, str(self.websites["ca_file"]), self._authority)

    async def _still_there(self) -> None:
        await asyncio.sleep(0.05)
        if self._process is not None and self._process.returncode is not None:
            raise UnavailableError("The simulator ended at once.", hint=f"See {self._log}; is `afield[sim]` installed?")

    @property
    def instances(self) -> list[str]:
        """The ids of the simulated AMC instances."""
        found = self.amc["instances"]
        assert isinstance(found, list)
        return [str(one["instanceId"] if isinstance(one, dict) else one) for one in found]

    async def break_it(self, faults: JsonObject) -> None:
        """Switch faults on: {instance id: {fault: parameters}}."""
        await self._call("PUT", "/admin/faults", faults)

    async def set_pace(self, settings: JsonObject) -> None:
        """How long executions take: {instance id: {setting: value}}."""
        await self._call("PUT", "/admin/settings", {"instances": settings})

    async def plant(self, instance: str, workflow_id: str) -> None:
        """Let somebody else start an execution."""
        body: JsonObject = {"instance_id": instance, "workflow_id": workflow_id, "status": "RUNNING"}
        await self._call("POST", "/admin/executions", body)

    async def executions(self) -> list[JsonObject]:
        """What really ran."""
        answer = await self._call("GET", "/admin/executions")
        found = answer.get("executions") if isinstance(answer, dict) else answer
        assert isinstance(found, list)
        return [one for one in found if isinstance(one, dict)]

    def machine_id(self, vm: str) -> str:
        """The resource id of a virtual machine."""
        machines = self.arm["vms"]
        assert isinstance(machines, list)
        return next(str(one["id"]) for one in machines if isinstance(one, dict) and one["name"] == vm)

    async def set_machines(self, settings: JsonObject) -> None:
        """How the simulated virtual machines behave."""
        await self._call("PUT", "/admin/arm/settings", settings)

    async def break_machines(self, faults: JsonObject) -> None:
        """Switch faults on: {virtual machine: {fault: parameters}}."""
        await self._call("PUT", "/admin/arm/faults", faults)

    async def put_file(self, vm: str, path: str, content: bytes) -> None:
        """Plant a file on a virtual machine."""
        url = f"{self._admin}/admin/arm/vms/{vm}/files/{path}"
        async with aiohttp.ClientSession() as session, session.put(url, data=content) as answer:
            if answer.status >= 400:
                raise UnavailableError(f"The simulator refused {path}: {(await answer.read())[:300].decode()}")

    async def journal(self) -> list[JsonObject]:
        """What really ran on the virtual machines."""
        answer = await self._call("GET", "/admin/arm/journal")
        found = answer.get("journal") if isinstance(answer, dict) else None
        assert isinstance(found, list)
        return [one for one in found if isinstance(one, dict)]

    @property
    def pool(self) -> JsonObject:
        """The custom container pool: `endpoint`, `resource_id`, `name`."""
        pool = self.sessions["custom"]
        assert isinstance(pool, dict)
        return pool

    async def break_pool(self, faults: JsonObject) -> None:
        """Switch faults of the custom pool on: {fault: parameters}."""
        await self._call("PATCH", "/admin/sessions/faults", {str(self.pool["name"]): faults})

    async def mend_pool(self) -> None:
        """Switch them all off."""
        await self._call("DELETE", f"/admin/sessions/faults?pool={self.pool['name']}")

    async def pool_counts(self) -> JsonObject:
        """What really happened at the custom pool: `runs` by session and run id, `crashed` containers, more."""
        answer = await self._call("GET", f"/admin/sessions/counts?pool={self.pool['name']}")
        assert isinstance(answer, dict)
        return answer

    def website(self, name: str) -> str:
        """The address of a company's website, over https."""
        sites = self.websites["sites"]
        assert isinstance(sites, list)
        return next(str(one["https"]) for one in sites if isinstance(one, dict) and one["name"] == name)

    async def _call(self, method: str, path: str, body: JsonObject | None = None) -> JsonValue:
        async with aiohttp.ClientSession() as session, session.request(method, self._admin + path, json=body) as answer:
            text = await answer.read()
            if answer.status >= 400:
                raise UnavailableError(f"The simulator refused {method} {path}: {text[:300].decode()}")
            value: JsonValue = orjson.loads(text) if text else None
            return value

    async def stop(self) -> None:
        """Stop it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(_STOP_WITHIN):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
