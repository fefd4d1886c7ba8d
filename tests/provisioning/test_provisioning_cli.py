"""`afield provision` and `afield chat` where something cannot be: processes, on a database of the test's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from provision_world import afield

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


async def test_what_cannot_be_is_said_plainly(tmp_path: Path, database_url: str) -> None:
    async def run(*arguments: str) -> tuple[int, str, str]:
        return await afield(tmp_path / "home", database_url, *arguments)

    code, out, err = await run("provision", "ftp://example.com", "--json")
    assert (code, out, json.loads(err.splitlines()[-1])["code"]) == (2, "", "invalid_input")
    code, _, err = await run("provision", "https://example.com", "--industry", "retail")
    assert (code, "--context" in err) == (2, True)
    code, out, _ = await run("provision", "example.com", "--detach", "--json")
    job = json.loads(out)
    assert (code, job["status"], job["customer_url"]) == (0, "pending", "https://example.com")
    code, out, _ = await run("provision", "cancel", job["job_id"])
    assert (code, "is being stopped" in out) == (0, True)
    code, _, err = await run("chat", job["job_id"], "How many orders?")
    assert (code, f"Job {job['job_id']} is" in err) == (2, True)
    code, _, err = await run("provision", "status", "nothing")
    assert (code, "is no job's id" in err) == (2, True)
