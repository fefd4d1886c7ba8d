"""`afield provision` and `afield chat` as a user runs them: processes, on a database of the test's own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from provision_world import a_site, settings_for, working

from afield.api.app import create_app
from afield.api.serve import bind, serve_app
from afield.kernel import Kernel, open_kernel

pytestmark = pytest.mark.timeout(180)


async def run(tmp_path: Path, database_url: str, *arguments: str) -> tuple[int, str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AFIELD_")}
    own = {"AFIELD_HOME": str(tmp_path / "home"), "AFIELD_DATABASE_URL": database_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "afield", *arguments,
        env=clean | own | {"AFIELD_SECRET_KEY": "a passphrase for tests only", "AFIELD_PROVISION_ROWS": "5000"},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert b"Traceback" not in err, err.decode()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def served(kernel: Kernel) -> AsyncIterator[str]:
    """The routes over HTTP; the address."""
    app, stop, started = create_app(kernel), asyncio.Event(), asyncio.Event()
    with await bind("127.0.0.1", 0) as listening:
        server = asyncio.create_task(serve_app(app, listening, stop=stop, started=started.set))
        await started.wait()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            stop.set()
            await server


async def test_a_demo_from_the_command_line_and_over_http(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFIELD_PROVISION_ALLOW_LOOPBACK", "true")
    async with (
        a_site() as site,
        open_kernel(settings_for(tmp_path / "home", database_url)) as kernel,
        working(kernel),
    ):
        code, out, err = await run(tmp_path, database_url, "provision", site.url, "--json")
        job_id = json.loads((await run(tmp_path, database_url, "provision", "history", "--json"))[1])[0]["job_id"]
        async with served(kernel) as url, aiohttp.ClientSession(url) as session:
            await _asked_over_http(session, job_id, site.url)
    told: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert (code, told[-1]["kind"]) == (0, "done"), err
    assert [line["number"] for line in told] == list(range(1, len(told) + 1))
    (job,) = json.loads((await run(tmp_path, database_url, "provision", "history", "--json"))[1])
    assert (job["status"], job["company_name"]) == ("completed", "Trailhead Outfitters")
    code, out, _ = await run(tmp_path, database_url, "provision", "status", job["job_id"])
    assert code == 0
    assert all(words in out for words in ("Demo Validator", "completed", "Trailhead Outfitters", "100 %"))
    code, out, _ = await run(tmp_path, database_url, "provision", "assets", job["job_id"], "--json")
    assert any(asset["path"].endswith("report.md") for asset in json.loads(out)["assets"])
    code, out, err = await run(tmp_path, database_url, "chat", job["job_id"], "What was the total revenue?")
    assert (code, "SUM(" in out.upper()) == (0, True), out + err


async def _asked_over_http(session: aiohttp.ClientSession, job_id: str, site: str) -> None:
    status = await (await session.get(f"/api/provision/status/{job_id}")).json()
    assert (status["status"], status["overall_progress"], status["company_name"]) == (
        "completed", 100.0, "Trailhead Outfitters",
    )  # fmt: skip
    yaml = await session.get(f"/api/provision/download-yaml/{job_id}")
    assert "system_instruction:" in await yaml.text()
    metadata = await (await session.get(f"/api/provision/metadata/{job_id}")).json()
    assert metadata["company"]["name"] == metadata["story"]["company"] == "Trailhead Outfitters"
    assert metadata["report"]["verdicts"]
    ask = {"message": "What was the total revenue?", "dataset_id": status["dataset_full_name"]}
    answer = await session.post("/api/chat", json=ask)
    told = await answer.json()
    assert answer.status == 200, told
    assert told["data"][0]["revenue"] > 0
    more = {"message": "and by month?", "conversation_id": told["conversation_id"]}
    streamed = await session.post("/api/chat", json=more, headers={"accept": "text/event-stream"})
    events = await streamed.text()
    assert events.count("event: message") >= 6
    assert events.rstrip().endswith(f'data: {{"conversation_id":"{told["conversation_id"]}"}}')
    assert "vegaConfig" in events
    refused = await (await session.post("/api/chat", json=ask | {"message": "What will the weather be?"})).json()
    assert (refused["sql"], bool(refused["response"]), bool(refused["follow_up_questions"])) == (None, True, True)
    branding = await (await session.post("/api/extract-branding", json={"customer_url": site})).json()
    assert branding["name"] == "Trailhead Outfitters"


async def test_what_cannot_be_is_said_plainly(tmp_path: Path, database_url: str) -> None:
    code, out, err = await run(tmp_path, database_url, "provision", "ftp://example.com", "--json")
    assert (code, out, json.loads(err.splitlines()[-1])["code"]) == (2, "", "invalid_input")
    code, _, err = await run(tmp_path, database_url, "provision", "https://example.com", "--industry", "retail")
    assert (code, "--context" in err) == (2, True)
    code, out, _ = await run(tmp_path, database_url, "provision", "example.com", "--detach", "--json")
    job = json.loads(out)
    assert (code, job["status"], job["customer_url"]) == (0, "pending", "https://example.com")
    code, out, _ = await run(tmp_path, database_url, "provision", "cancel", job["job_id"])
    assert (code, "is being stopped" in out) == (0, True)
    code, _, err = await run(tmp_path, database_url, "chat", job["job_id"], "How many orders?")
    assert (code, f"Job {job['job_id']} is" in err) == (2, True)
    code, _, err = await run(tmp_path, database_url, "provision", "status", "nothing")
    assert (code, "is no job's id" in err) == (2, True)
