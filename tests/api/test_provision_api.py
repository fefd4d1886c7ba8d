"""The routes of provisioning: shapes, owners, the stream with its replay, problems."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from web_provision_world import CONTEXT, PATH, URL, a_person, provisioning_of, started, tell
from web_world import Json, Web, serving

from afield.api.app import create_app
from afield.kernel import Kernel
from afield.provisioning.job_log import Entry, JobLog, Said
from afield.provisioning.progress import Line, LineKind
from afield.security.people import Role

AGENTS = [
    "Research Agent", "Demo Story Agent", "Data Modeling Agent", "Synthetic Data Generator", "Infrastructure Agent",
    "CAPI Instruction Generator", "Demo Validator",
]  # fmt: skip


@pytest.fixture
async def web(kernel: Kernel) -> AsyncIterator[Web]:
    async with serving(create_app(kernel)) as served:
        yield served


async def streamed(web: Web, job_id: str, last: int | None = None) -> tuple[int, list[Json]]:
    """The whole stream: its status and its events."""
    headers = {} if last is None else {"last-event-id": str(last)}
    events: list[Json] = []
    async with asyncio.timeout(20), web.session.get(f"{web.url}{PATH}/stream/{job_id}", headers=headers) as response:
        for part in (await response.text()).split("\n\n"):
            lines = dict(line.split(": ", 1) for line in part.splitlines() if not line.startswith(":"))
            if "id" in lines:
                events.append({"id": int(lines["id"]), "event": lines["event"], "data": json.loads(lines["data"])})
        return response.status, events


IMPORTS = """
import asyncio, sys
from afield.api.app import create_app
from afield.config import Settings

def heavy():
    return [name for name in sys.argv[1].split() if name in sys.modules]

async def main():
    app = create_app(Settings())
    async with app.router.lifespan_context(app):
        print(heavy())
        await app.state.provisioning.conversations()
        print(heavy())

asyncio.run(main())
"""


async def test_heavy_libraries_wait_for_the_first_question(database_url: str, tmp_path: Path) -> None:
    own = {
        "AFIELD_HOME": str(tmp_path),
        "AFIELD_DATABASE_URL": database_url,
        "AFIELD_SECRET_KEY": "a passphrase for tests only",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IMPORTS, "polars duckdb numpy pyarrow trafilatura extruct selectolax pydantic_ai ibis",
        stdout=asyncio.subprocess.PIPE, env=os.environ | own,
    )  # fmt: skip
    before, after = (await process.communicate())[0].decode().splitlines()[-2:]
    assert before == "[]"
    assert "ibis" in after


async def test_a_job_is_recorded_and_told_of(web: Web) -> None:
    shown = await started(web, {"customer_url": "www.example.com", "project_id": "my-project"})
    assert shown.keys() == {"job_id", "status", "message", "customer_url"}
    assert (shown["status"], shown["customer_url"]) == ("pending", URL)
    status = (await web.get(f"{PATH}/status/{shown['job_id']}")).json
    assert status.keys() >= {
        "status", "current_phase", "overall_progress", "mode", "agents", "recent_logs", "errors", "dataset_full_name",
        "capi_agent_id", "created_at", "updated_at", "company_name",
    }  # fmt: skip
    assert (status["status"], status["current_phase"], status["overall_progress"]) == ("pending", AGENTS[0], 0)
    assert (status["mode"], status["errors"], status["dataset_full_name"]) == ("default", [], None)
    assert [agent["name"] for agent in status["agents"]] == AGENTS
    assert status["agents"][0] == {
        "name": AGENTS[0], "status": "pending", "progress_percentage": 0, "start_time": None, "end_time": None,
        "elapsed_seconds": None, "error_message": None, "attempt": 0,
    }  # fmt: skip


async def test_the_advanced_mode_asks_for_a_context(web: Web) -> None:
    order = {"customer_url": URL, "use_case_context": CONTEXT, "special_focus": "returns, stores"}
    shown = await started(web, order, "crazy-frog")
    metadata = (await web.get(f"{PATH}/metadata/{shown['job_id']}")).json
    assert metadata["brief"]["use_case_context"] == CONTEXT
    assert metadata["brief"]["special_focus"] == ["returns", "stores"]
    assert metadata["company"] is None
    assert (await web.get(f"{PATH}/status/{shown['job_id']}")).json["mode"] == "crazy_frog"
    problem = await web.problem("POST", f"{PATH}/crazy-frog", order | {"use_case_context": "x" * 49 + " "})
    assert (problem["status"], problem["errors"][0]["field"]) == (422, "body.use_case_context")


async def test_asking_again_under_a_key_is_asking_once(web: Web) -> None:
    key = {"headers": {"idempotency-key": "once"}}
    first, again = await started(web, **key), await started(web, **key)
    assert first["job_id"] == again["job_id"]
    problem = await web.problem("POST", f"{PATH}/start", {"customer_url": "https://example.org"}, **key)
    assert problem["code"] == "idempotency_key_reused"


async def test_history_is_searched_filtered_and_put_in_order(web: Web) -> None:
    jobs = [await started(web, {"customer_url": f"https://shop-{n}.example"}) for n in range(3)]
    changed = await web.call("PATCH", f"{PATH}/jobs/{jobs[0]['job_id']}", {"pinned": True, "tags": ["spring_fair"]})
    assert (changed.status, changed.json["pinned"], changed.json["tags"]) == (200, True, ["spring_fair"])
    await web.call("PATCH", f"{PATH}/jobs/{jobs[1]['job_id']}", {"note": "for Monday"})
    await web.post(f"{PATH}/cancel/{jobs[2]['job_id']}")

    async def listed(query: str = "") -> list[str]:
        page = (await web.get(f"{PATH}/history{query}")).json
        assert page["total"] >= len(page["jobs"])
        return [job["customer_url"][8:14] for job in page["jobs"]]

    assert await listed() == ["shop-0", "shop-2", "shop-1"]
    assert await listed("?limit=1&offset=1") == ["shop-2"]
    assert await listed("?search=SPRING_fair") == ["shop-0"]
    assert await listed("?search=spring%25") == []
    assert await listed("?search=monday") == ["shop-1"]
    assert await listed("?status=completed") == []
    clone = (await web.post(f"{PATH}/clone/{jobs[0]['job_id']}")).json
    shown = (await web.get(f"{PATH}/history?limit=2")).json["jobs"][1]
    assert (shown["job_id"], shown["cloned_from"]) == (clone["job_id"], jobs[0]["job_id"])


async def test_somebody_elses_job_is_not_there(kernel: Kernel, web: Web) -> None:
    ada, bob = await a_person(kernel, "ada"), await a_person(kernel, "bob")
    root, eve = await a_person(kernel, "root", Role.ADMIN), await a_person(kernel, "eve", Role.VIEWER)
    job_id = (await started(web, **ada))["job_id"]
    looks = [f"{PATH}/{name}/{job_id}" for name in ("status", "stream", "assets", "metadata", "download-yaml")]
    changes = [f"{PATH}/{name}/{job_id}" for name in ("cancel", "retry", "clone")]
    one: list[tuple[str, str, Any]] = [
        ("PATCH", f"{PATH}/jobs/{job_id}", {"note": "x"}),
        ("DELETE", f"{PATH}/jobs/{job_id}", None),
    ]
    routes = [("GET", path, None) for path in looks] + [("POST", path, None) for path in changes] + one
    for method, path, body in routes:
        assert (await web.problem(method, path, body, **bob))["status"] == 404, path
        assert (await web.call(method, path, body)).status == 401, path
    for method, path, body in routes[5:]:
        assert (await web.problem(method, path, body, **eve))["status"] == 403, path
    dataset = (await web.get(f"{PATH}/assets/{job_id}", **ada)).json["dataset_name"]
    asked = {"message": "How many orders?", "dataset_id": dataset}
    assert (await web.problem("POST", "/api/chat", asked, **bob))["status"] == 404
    assert (await web.problem("POST", "/api/chat", asked, **ada))["status"] == 409, "it is not finished"
    assert (await web.call("POST", "/api/extract-branding", {"customer_url": URL})).status == 401
    assert (await web.get(f"{PATH}/history", **bob)).json["total"] == 0
    assert (await web.get(f"{PATH}/history", **root)).json["total"] == 1
    assert (await web.get(f"{PATH}/status/{job_id}", **root)).status == 200


async def test_the_stream_is_replayed_and_ends_with_the_job(web: Web) -> None:
    job_id = (await started(web))["job_id"]
    following = asyncio.create_task(streamed(web, job_id))
    await tell(web, job_id, LineKind.STAGE, LineKind.PROGRESS)
    await tell(web, job_id, LineKind.RESULT)
    await tell(web, job_id, LineKind.DONE)
    status, events = await following
    assert status == 200
    assert [(event["id"], event["event"]) for event in events] == [
        (1, "stage"), (2, "progress"), (3, "result"), (4, "done"),
    ]  # fmt: skip
    assert events[1]["data"].keys() == {"number", "at", "severity", "agent", "message", "data"}
    assert [event["id"] for event in (await streamed(web, job_id))[1]] == [1, 2, 3, 4]
    assert [event["id"] for event in (await streamed(web, job_id, 2))[1]] == [3, 4]
    assert await streamed(web, job_id, 4) == (204, [])
    await tell(web, job_id, LineKind.LOG)  # somebody had it tried again
    beyond = await _following(provisioning_of(web.app).jobs.log, job_id, 99)  # a number that was never given
    following = asyncio.create_task(streamed(web, job_id, 4))
    await tell(web, job_id, LineKind.DONE)
    assert [event["id"] for event in (await following)[1]] == [5, 6]
    async with asyncio.timeout(20):
        assert await beyond is None

    await _what_is_said_twice_is_in_the_log_once(web)


async def _following(log: JobLog, job_id: str, after: int) -> asyncio.Task[Entry | None]:
    """What comes after this number; it has seen that the job is not over."""
    looked, over = asyncio.Event(), log.over

    async def seen(job: UUID, number: int) -> bool:
        found = await over(job, number)
        looked.set()
        return found

    log.over = seen  # type: ignore[method-assign]
    told = asyncio.ensure_future(anext(log.follow(UUID(job_id), after), None))
    await looked.wait()
    return told


async def _what_is_said_twice_is_in_the_log_once(web: Web) -> None:
    job_id = (await started(web))["job_id"]
    log = provisioning_of(web.app).jobs.log
    said = await tell(web, job_id, *[LineKind.LOG] * 5)
    assert [entry.number for entry in said] == [1, 2, 3, 4, 5]
    again = [Said(origin=f"test:{n}", line=Line(at=said[0].at, kind=LineKind.LOG)) for n in range(3, 8)]
    told = await asyncio.gather(*(log.tell(UUID(job_id), again) for _ in range(4)))
    assert sorted(entry.number for entries in told for entry in entries) == [6, 7, 8]


async def test_problems(web: Web) -> None:
    for url in ("ftp://example.com", "https://", "https://a:b@example.com", "no spaces allowed", ""):
        assert (await web.problem("POST", f"{PATH}/start", {"customer_url": url}))["status"] == 422
    for path in (f"{PATH}/status/{uuid4()}", f"{PATH}/download-yaml/{uuid4()}"):
        assert (await web.problem("GET", path))["code"] == "not_found"
    assert (await web.problem("GET", f"{PATH}/status/none"))["status"] == 422
    job_id = (await started(web))["job_id"]
    assert (await web.problem("GET", f"{PATH}/download-yaml/{job_id}"))["status"] == 404
    assert (await web.problem("POST", f"{PATH}/retry/{job_id}"))["status"] == 409
    assert (await web.problem("GET", f"{PATH}/stream/{job_id}", headers={"last-event-id": "x"}))["status"] == 422
    assert (await web.problem("POST", "/api/chat", {"message": "How many?"}))["status"] == 422
    unknown = {"message": "How many?", "conversation_id": str(uuid4())}
    assert (await web.problem("POST", "/api/chat", unknown))["status"] == 404
    branding = await web.problem("POST", "/api/extract-branding", {"customer_url": "http://127.0.0.1:9/"})
    assert (branding["status"], branding["code"]) == (422, "scrape_failed")
