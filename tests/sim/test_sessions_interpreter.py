"""Code-interpreter and shell pools: both contracts, files, sessions, in the platform's words around real code."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from sessions_caller import Sessions, pools_with
from sim_caller import Answer

OLD, FIRST_NEW, NEW = "2024-02-02-preview", "2024-10-02-preview", "2025-10-02-preview"
TIMES = ("X-Ms-Overall-Execution-Time", "X-Ms-Allocation-Time", "X-Ms-New-Allocation", "X-Ms-Session-Guid")


class Interpreter:
    """Calls to a pool whose containers are real adapters."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    async def call(
        self,
        method: str,
        route: str,
        data: Any = None,
        version: str = NEW,
        identifier: str | None = "user-1",
        **more: Any,
    ) -> Answer:
        return await self.sessions.send(method, route, identifier, data=data, **{"api-version": version}, **more)

    async def old(self, code: str, **more: Any) -> Answer:
        properties = {"codeInputType": "inline", "executionType": "synchronous", "code": code, **more}
        return await self.call("POST", "/code/execute", {"properties": properties}, OLD)

    async def new(self, code: str, version: str = NEW, **more: Any) -> Answer:
        body = {"codeInputType": "Inline", "executionType": "Synchronous", "code": code, "timeoutInSeconds": 60, **more}
        return await self.call("POST", "/executions", body, version)

    async def upload(self, name: str, content: bytes, route: str, version: str, **query: str) -> Answer:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", content, filename=name, content_type="application/octet-stream")
        return await self.call("POST", route, form, version, **query)


@pytest.fixture
async def python() -> AsyncIterator[Interpreter]:
    async with pools_with(None) as sessions:
        yield Interpreter(sessions.at(sessions.sim.sessions.interpreter))


@pytest.fixture
async def shell() -> AsyncIterator[Interpreter]:
    async with pools_with(None) as sessions:
        yield Interpreter(sessions.at(sessions.sim.sessions.shell))


def refusal(answer: Answer) -> tuple[int, str]:
    assert answer.headers["x-ms-error-code"] == answer.json["error"]["code"]
    return answer.status, answer.json["error"]["code"]


async def test_the_old_contract(python: Interpreter):
    answer = await python.old("x = 41\nprint('hi')\nx + 1")
    told = answer.json
    assert answer.status == 200
    assert (told["$id"], told["properties"]["$id"]) == ("1", "2")
    assert told["properties"]["status"] == "Success"
    assert told["properties"]["stdout"] == "hi\n"
    assert told["properties"]["result"] == told["properties"]["executionResult"] == 42
    assert told["properties"]["executionTimeInMilliseconds"] >= 0
    assert (await python.old("x")).json["properties"]["result"] == 41


async def test_code_that_fails_is_a_success_of_the_request(python: Interpreter):
    old = await python.old("1 / 0")
    new = await python.new("1 / 0")
    assert (old.status, old.json["properties"]["status"]) == (200, "Failure")
    assert (new.status, new.json["status"]) == (200, "Failed")
    assert "ZeroDivisionError" in old.json["properties"]["stderr"]
    assert "ZeroDivisionError" in new.json["result"]["stderr"]


async def test_the_new_contract(python: Interpreter):
    answer = await python.new("print('hi')\n6 * 7")
    told = answer.json
    assert (answer.status, told["status"], told["identifier"]) == (200, "Succeeded", "user-1")
    assert (told["result"]["stdout"], told["result"]["executionResult"]) == ("hi\n", 42)
    assert told["id"]
    assert "operation-id" in answer.headers
    assert (await python.new("1", FIRST_NEW)).status == 202
    encoded = base64.b64encode(b"print('from base64')").decode()
    told = (await python.new(encoded, codeInputType="InlineBase64")).json
    assert told["result"]["stdout"] == "from base64\n"


async def test_headers_tell_allocation_from_running(python: Interpreter):
    first, second = await python.new("1"), await python.new("1")
    assert all(name in first.headers for name in TIMES)
    assert (first.headers["X-Ms-New-Allocation"], second.headers["X-Ms-New-Allocation"]) == ("True", "False")
    assert first.headers["X-Ms-Session-Guid"] == second.headers["X-Ms-Session-Guid"]
    assert float(first.headers["X-Ms-Allocation-Time"]) > float(second.headers["X-Ms-Allocation-Time"])
    assert "x-afield-adapter" not in first.headers


async def test_an_asynchronous_execution(python: Interpreter):
    answer = await python.new("import time\ntime.sleep(0.5)\n42", executionType="Asynchronous")
    assert (answer.status, answer.json["status"]) == (202, "Running")
    assert f"/executions/{answer.json['id']}?" in answer.headers["Operation-Location"]
    while (found := await python.call("GET", f"/executions/{answer.json['id']}")).json["status"] == "Running":
        await asyncio.sleep(0.05)
    assert (found.json["status"], found.json["result"]["executionResult"]) == ("Succeeded", 42)
    assert (await python.call("GET", "/executions/nobody")).status == 404


async def test_the_longest_run(python: Interpreter):
    await python.sessions.admin.settings(run_limit_s=1)
    told = (await python.old("import time\ntime.sleep(30)")).json["properties"]
    assert told["status"] == "Failure"
    assert "Request timed out waiting for code execution to complete" in told["stderr"]


@pytest.mark.parametrize("body", [{}, None, {"properties": {"code": "1", "codeInputType": "inline"}}])
async def test_the_old_wrapper_at_the_new_address(python: Interpreter, body: Any):
    assert refusal(await python.call("POST", "/executions", body)) == (400, "SessionPropertiesMissing")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/executions", {"shellCommand": "ls"}, "SessionRequestNotSupported"),
        ("/executions", {"code": 1}, "SessionRequestValidationFailed"),
        ("/executions", b"{", "SessionRequestValidationFailed"),
        ("/code/execute", {"code": "1"}, "SessionRequestValidationFailed"),
        ("/nowhere", {}, "NotFound"),
    ],
)
async def test_requests_that_are_refused(python: Interpreter, path: str, body: Any, code: str):
    assert refusal(await python.call("POST", path, body))[1] == code


async def test_identifier_and_version_are_required(python: Interpreter):
    body = {"code": "1"}
    assert "identifier" in (await python.call("POST", "/executions", body, identifier=None)).json["error"]["message"]
    assert refusal(await python.call("POST", "/executions", body, identifier="abc"))[0] == 400
    answer = await python.sessions.send("POST", "/executions", data=body)
    assert "api-version" in answer.json["error"]["message"]


async def test_files_in_the_old_contract(python: Interpreter):
    made = (await python.upload("a b.txt", b"some text", "/files/upload", OLD)).json
    properties = made["value"][0]["properties"]
    assert (made["$id"], made["value"][0]["$id"], properties["$id"]) == ("1", "2", "3")
    assert (properties["filename"], properties["size"]) == ("a b.txt", 9)
    assert properties["lastModifiedTime"].endswith("Z")
    assert (await python.call("GET", "/files", version=OLD)).json == made
    assert (await python.call("GET", "/files/content/a%20b.txt", version=OLD)).content == b"some text"
    gone = await python.call("DELETE", "/files/a%20b.txt", version=OLD)
    assert (gone.status, gone.json) == (200, {"message": "file deleted successfully"})


async def test_files_in_the_new_contract(python: Interpreter):
    assert (await python.call("GET", "/files")).json["value"] == []
    made = await python.upload("a.txt", bytes(range(256)), "/files", NEW, path="/mnt/data")
    assert (made.json["name"], made.json["type"], made.json["sizeInBytes"]) == ("a.txt", "file", 256)
    assert set(made.json) == {"name", "type", "contentType", "sizeInBytes", "lastModifiedAt", "directory"}
    assert (await python.call("GET", "/files")).json["value"] == [made.json]
    assert (await python.call("GET", "/files/a.txt")).json == made.json
    assert (await python.call("GET", "/files/a.txt/content")).content == bytes(range(256))
    assert (await python.call("GET", "/files/a.txt/content", identifier="user-2")).status == 404
    assert (await python.new("len(open('/mnt/data/a.txt', 'rb').read())")).json["result"]["executionResult"] == 256
    gone = await python.call("DELETE", "/files/a.txt")
    assert (gone.status, gone.content) == (204, b"")
    assert (await python.call("GET", "/files/a.txt")).status == 404


async def test_uploads_that_are_refused(python: Interpreter):
    await python.sessions.admin.settings(upload_limit_bytes=1000)
    assert (await python.upload("a.txt", b"x" * 1001, "/files", NEW)).status == 413
    answer = await python.call("POST", "/files", b"no form", NEW)
    assert refusal(answer) == (400, "SessionRequestValidationFailed")


async def test_a_session_and_its_end(python: Interpreter):
    assert refusal(await python.call("GET", "/session")) == (400, "SessionWithIdentifierNotFound")
    await python.new("x = 1")
    shown = (await python.call("GET", "/session")).json
    assert set(shown) == {"identifier", "createdAt", "lastAccessedAt", "expireAt", "etag"}
    listed = (await python.call("GET", "/listSessions", identifier=None)).json["sessions"]
    assert [one["identifier"] for one in listed] == ["user-1"]
    assert (await python.call("DELETE", "/session")).status == 204
    assert (await python.call("DELETE", "/session")).status == 400
    assert (await python.new("'x' in globals()")).json["result"]["executionResult"] is False


async def test_metadata(python: Interpreter):
    told = (await python.call("GET", "/metadata", identifier=None)).json
    assert set(told) == {"runtimes", "preInstalledPackages", "createdAt", "lastUpdatedAt", "jupyterKernel"}


async def test_runs_are_counted(python: Interpreter):
    await python.old("1")
    told = (await python.new("1")).json
    runs = (await python.sessions.counts())["runs"]["user-1"]
    assert len(runs) == 2
    assert runs[told["id"]] == 1


async def test_a_lost_reply_after_the_code_ran(python: Interpreter):
    await python.new("x = 1")
    await python.sessions.fault(reply_lost=1)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await python.new("x += 1")
    assert (await python.new("x")).json["result"]["executionResult"] == 2


async def test_faults_strike_here_too(python: Interpreter):
    await python.sessions.fault(crashing=True)
    assert (await python.new("1")).status == 502
    await python.sessions.admin.clear_faults()
    await python.sessions.fault(full_429=True)
    assert (await python.new("1")).status == 429
    await python.sessions.admin.clear_faults()
    await python.sessions.fault(role_missing=True)
    assert (await python.new("1")).status == 403


async def test_shell_commands(shell: Interpreter):
    told = (await shell.call("POST", "/executions", {"shellCommand": "echo hello; exit 3"})).json
    assert (told["status"], told["result"]["stdout"]) == ("3", "hello\n")
    assert refusal(await shell.call("POST", "/executions", {"code": "1"})) == (400, "SessionRequestNotSupported")
    assert refusal(await shell.old("1")) == (400, "SessionRequestNotSupported")


async def test_over_https(python: Interpreter):
    sim = python.sessions.sim
    trusted = await asyncio.to_thread(lambda: ssl.create_default_context(cafile=sim.sessions.ca_file))
    headers = {"Authorization": f"Bearer {python.sessions.token}"}
    query = {"identifier": "user-1", "api-version": NEW}
    url, body = f"{sim.sessions.https['interpreter']}/executions", {"code": "6*7"}
    async with python.sessions.http.post(url, params=query, json=body, headers=headers, ssl=trusted) as answer:
        assert (await answer.json())["result"]["executionResult"] == 42
    custom = f"{sim.sessions.https['custom']}/health?identifier=user-1"
    async with python.sessions.http.get(custom, headers=headers, ssl=trusted) as answer:
        assert (answer.status, "x-afield-adapter" in answer.headers) == (200, True)


async def test_the_token_endpoint_gives_tokens_for_the_pools(python: Interpreter):
    access = python.sessions.sim.sessions
    form = {
        "grant_type": "client_credentials",
        "client_id": access.client_id,
        "client_secret": access.client_secret,
        "scope": f"{access.audience}/.default",
    }
    trusted = await asyncio.to_thread(lambda: ssl.create_default_context(cafile=access.ca_file))
    async with python.sessions.http.post(access.token_endpoint, data=form, ssl=trusted) as answer:
        python.sessions.token = (await answer.json())["access_token"]
    assert (await python.new("1")).status == 200
