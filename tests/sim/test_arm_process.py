"""The simulated cloud in a process of its own, together with the login and the blobs beside it."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
from arm_caller import API_VERSION, MANAGEMENT, Azure
from test_arm_shell import alive, gone

from afield_sim.arm import shell
from afield_sim.testing import ArmAccess, ArmAdmin, SimulatorProcess

NUMBER = 75_311


async def machine_token(http: aiohttp.ClientSession, arm: ArmAccess) -> str:
    query = {"api-version": "2018-02-01", "resource": MANAGEMENT}
    url = f"{arm.imds_endpoint}/metadata/identity/oauth2/token"
    async with http.get(url, params=query, headers={"Metadata": "true"}) as reply:
        return (await reply.json())["access_token"]


async def application_token(http: aiohttp.ClientSession, arm: ArmAccess) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": arm.client_id,
        "client_secret": arm.client_secret,
        "scope": f"{MANAGEMENT}/.default",
    }
    trusted = await asyncio.to_thread(lambda: ssl.create_default_context(cafile=arm.ca_file))
    async with http.post(arm.token_endpoint, data=form, ssl=trusted) as reply:
        return (await reply.json())["access_token"]


async def start_script(http: aiohttp.ClientSession, arm: ArmAccess, token: str) -> None:
    body = {"location": "westeurope", "properties": {"source": {"script": f"sleep {NUMBER}"}}}
    url = f"{arm.base_url}{arm.vms[0].id}/runCommands/a1?api-version={API_VERSION}"
    async with http.put(url, json=body, headers={"Authorization": f"Bearer {token}"}) as reply:
        assert reply.status == 201


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_scripts_end_with_the_simulator(tmp_path: Path, end: str):
    if await shell.probe() is shell.Confinement.SESSION:
        end = "stop"  # without a sandbox, only a simulator that is stopped can end them
    async with (
        SimulatorProcess(tmp_path, "--vms", "1", "--windows-vms", "1") as process,
        aiohttp.ClientSession() as http,
    ):
        arm = process.arm
        assert [(vm.name, vm.os_type) for vm in arm.vms] == [("vm-01", "Linux"), ("win-01", "Windows")]
        get_token = machine_token if end == "stop" else application_token
        await start_script(http, arm, await get_token(http, arm))
        await ArmAdmin(http, process.ready["admin"]["base_url"]).wait("running")
        while not await asyncio.to_thread(alive, NUMBER):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(getattr(process, end))
        await asyncio.wait_for(gone(NUMBER), 5)


async def test_full_output_in_the_simulators_own_blobs(azure: Azure):
    blobs = azure.sim.ready["blobs"]
    url = f"{blobs['endpoint']}/{blobs['container']}/out.txt?{blobs['container_sas']}"
    await azure.ran("a1", "seq 3000", outputBlobUri=url)
    assert len((await azure.view("a1"))["output"]) == 4_096
    async with azure.http.get(url) as reply:
        assert await reply.text() == "".join(f"{number}\n" for number in range(1, 3_001))
