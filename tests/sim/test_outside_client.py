"""A published client that nobody here wrote gets along with the simulator."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from afield_sim.ready import write_ready_file
from afield_sim.testing import running_simulator

pytest.importorskip("amazon_ads_mcp")


@pytest.mark.slow
async def test_amazon_ads_mcp(tmp_path):
    async with running_simulator() as sim:
        await sim.admin.put_settings({"*": {"pending_seconds": 0.5}})
        write_ready_file(tmp_path / "ready.json", sim.ready)
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).with_name("outside_client.py")), str(tmp_path / "ready.json"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            limit=2**24, cwd=tmp_path,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert await process.stdout.readline() == b"waiting\n"
        await sim.admin.wait(what="finished", at_least=2)
        process.stdin.write(b"\n")
        last = await process.stdout.readline()
        assert await process.wait() == 0
        tokens = (await sim.admin.counters())["tokens"]
    answers = {label: answer["content"] for label, answer in json.loads(last.removeprefix(b"answers ")).items()}
    saved, adhoc = (answers[label]["workflowExecutionId"] for label in ("saved", "adhoc"))

    assert tokens["refresh_token"] >= 1
    assert answers["accounts"]["amcAccounts"][0]["accountId"] == sim.amc.entity_id
    assert [one["instanceId"] for one in answers["instances"]["instances"]] == sim.instances
    assert answers["saved"]["workflowId"] == "outside"
    assert answers["get"]["workflowExecutionId"] == saved
    assert [one["workflowExecutionId"] for one in answers["list"]["executions"]] == [saved]
    statuses = {one["workflowExecutionId"]: one["status"] for one in answers["list_all"]["executions"]}
    assert set(statuses) == {saved, adhoc}
    assert statuses[adhoc] == "CANCELLED"
    assert answers["urls"]["downloadUrls"][0].startswith(sim.base_url)
