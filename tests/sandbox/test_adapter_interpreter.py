"""The code interpreter: both contracts, state between calls, files, time-outs, and what its public clients send."""

# ruff: noqa: E501  tables read best with a line a case

from __future__ import annotations

import asyncio
import io
import textwrap
from collections.abc import AsyncIterator, Iterator
from itertools import count

import aiohttp
import pytest
from adapter_process import Adapter, Answer, Caller, Json, adapter, calling

OLD = "api-version=2024-02-02-preview"
NEW = "api-version=2025-10-02-preview"
TIMED_OUT = "Request timed out waiting for code execution to complete"
_numbers = count()


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adapter]:
    options = (
        "--languages",
        "python,bash",
        "--lanes",
        "2",
        "--sessions",
        "3",
        "--session-hold",
        "0",
        "--kind",
        "interpreter",
    )
    with adapter(tmp_path_factory.mktemp("interpreter"), *options, "--session-memory", str(96 << 20)) as running:
        yield running


class Client(Caller):
    """Speaks for one identifier."""

    identifier = "default"

    async def old(self, code: str, **more: object) -> Json:
        sent = {"codeInputType": "inline", "executionType": "synchronous", "code": textwrap.dedent(code), **more}
        answer = await self.post(f"/code/execute?{OLD}&identifier={self.identifier}", {"properties": sent})
        assert answer.status == 200, answer
        properties: Json = answer.json["properties"]
        return properties

    async def new(self, code: str, **more: object) -> Json:
        sent = {"codeInputType": "Inline", "executionType": "Synchronous", "code": textwrap.dedent(code), **more}
        answer = await self.post(f"/executions?{NEW}&identifier={self.identifier}", sent)
        assert answer.status == 200, answer
        told: Json = answer.json
        return told

    async def shell(self, command: str) -> Json:
        answer = await self.post(f"/executions?identifier={self.identifier}&{NEW}", {"shellCommand": command})
        assert answer.status == 200, answer
        told: Json = answer.json
        return told

    async def upload(self, name: str, content: bytes, path: str = f"/files?{NEW}") -> Answer:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", io.BytesIO(content), filename=name)
        return await self.post(f"{path}&identifier={self.identifier}", form)

    async def file(self, method: str, path: str, version: str = NEW) -> Answer:
        return await self.ask(
            method, f"/files{path}{'&' if '?' in path else '?'}{version}&identifier={self.identifier}"
        )


@pytest.fixture
async def client(at: Adapter) -> AsyncIterator[Client]:
    async with calling(at) as caller:
        found = Client(caller.http, at)
        found.identifier = f"user-{next(_numbers)}"
        yield found
        await found.post(f"/reset?identifier={found.identifier}")


async def test_the_old_contract(client: Client) -> None:
    sent = {"properties": {"codeInputType": "inline", "executionType": "synchronous", "code": "print('hä')\n6*7"}}
    answer = await client.post(f"/code/execute?identifier={client.identifier}&{OLD}", sent)
    took = answer.json["properties"]["executionTimeInMilliseconds"]
    expected = {"$id": "2", "status": "Success", "stdout": "hä\n", "stderr": "", "result": 42, "executionResult": 42}
    assert answer.json == {"$id": "1", "properties": {**expected, "executionTimeInMilliseconds": took}}
    alias = await client.post(f"/python/execute?identifier={client.identifier}", sent)
    assert alias.json["properties"]["result"] == 42


async def test_the_new_contract(client: Client) -> None:
    sent = {
        "codeInputType": "Inline",
        "executionType": "Synchronous",
        "code": "print(1)\n[1, 'a']",
        "timeoutInSeconds": 100,
    }
    answer = await client.post(
        f"/executions?{NEW}&identifier={client.identifier}", sent, headers={"operation-id": "op-1"}
    )
    told = answer.json
    assert (told["identifier"], told["executionType"], told["status"]) == (
        client.identifier,
        "Synchronous",
        "Succeeded",
    )
    assert told["result"].pop("executionTimeInMilliseconds") >= 0
    assert told["result"] == {"stdout": "1\n", "stderr": "", "executionResult": [1, "a"]}
    assert answer.headers["operation-id"] == "op-1"
    again = await client.get(f"/executions/{told['id']}?identifier={client.identifier}")
    assert (again.json["id"], again.json["status"]) == (told["id"], "Succeeded")
    stranger = await client.get(f"/executions/{told['id']}?identifier=somebody-else")
    assert (stranger.status, stranger.code) == (404, "no_such_execution")


async def test_asynchronous_executions(client: Client) -> None:
    sent = {
        "codeInputType": "Inline",
        "executionType": "Asynchronous",
        "code": "import time; time.sleep(0.2); print(5)",
    }
    answer = await client.post(f"/executions?{NEW}&identifier={client.identifier}", sent)
    assert (answer.status, answer.json["status"], answer.json["executionType"]) == (202, "Running", "Asynchronous")
    assert answer.headers["Operation-Location"].startswith(f"/executions/{answer.json['id']}")
    while (told := (await client.get(f"/executions/{answer.json['id']}?identifier={client.identifier}")).json)[
        "status"
    ] == "Running":
        pass
    assert (told["status"], told["result"]["stdout"]) == ("Succeeded", "5\n")


async def test_state_stays_and_belongs_to_one_identifier(client: Client) -> None:
    await client.old("x = 1\nimport math\ndef f(): return x + 1")
    assert (await client.new("x += 40\nf()"))["result"]["executionResult"] == 42
    assert (await client.old("math.pi"))["result"] == pytest.approx(3.14159, abs=1e-4)
    client.identifier += "-other"
    failed = await client.old("x")
    assert failed["status"] == "Failure"
    assert "NameError: name 'x' is not defined" in failed["stderr"]
    assert (await client.delete(f"/session?{NEW}&identifier={client.identifier}")).status == 204
    assert (await client.delete(f"/session?{NEW}&identifier={client.identifier}")).status == 404


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("1", 1), ("None", None), ("x = 5", None), ("'ä'", "ä"), ("float('nan')", "nan"), ("-float('inf')", "-inf"), ("2**100", str(2**100)),
        ("(1, 2.5, True)", [1, 2.5, True]), ("{1: {'a': ()}}", {"1": {"a": []}}), ("{1}", "{1}"), ("b'x'", "b'x'"), ("object", "<class 'object'>"),
        ("'\\ud800'", "?"), ("a = []\na.append(a)\na", None), ("", None), ("# nothing", None), ("1\ndef f(): pass", None),
    ],
)  # fmt: skip
async def test_the_value_of_the_last_expression(client: Client, code: str, result: object) -> None:
    told = await client.new(code)
    assert told["status"] == "Succeeded", told
    if "append" not in code:
        assert told["result"]["executionResult"] == result


@pytest.mark.parametrize(
    ("code", "name", "text"),
    [
        (
            "def f():\n    return 1/0\nf()",
            "ZeroDivisionError",
            'Traceback (most recent call last):\n  File "<cell 1>", line 3, in <module>\n    f()',
        ),
        ("if", "SyntaxError", '  File "<cell 1>", line 1\n    if\n      ^\n'),
        ("import sys; sys.exit(3)", "SystemExit", "SystemExit: 3"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "E", ""),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "KeyboardInterrupt"),
        ("'\\0'\nopen('\\0')", "ValueError", "embedded null byte"),
        ("input()", "EOFError", "EOFError"),
        ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:1')", "URLError", "urlopen error"),
    ],
)
async def test_what_goes_wrong_is_a_failure_and_the_state_stays(
    client: Client, code: str, name: str, text: str
) -> None:
    told = await client.new(code)
    assert (told["status"], told["error"]["code"]) == ("Failed", name)
    assert text in told["result"]["stderr"]
    assert "session.py" not in told["result"]["stderr"]
    assert "driver" not in told["result"]["stderr"]
    assert (await client.new("7"))["result"]["executionResult"] == 7


async def test_the_folder_looks_as_it_should(client: Client) -> None:
    assert (await client.old("import os; os.chdir('/mnt/data'); os.getcwd()"))["result"] == "/mnt/data"
    assert (await client.old("os.listdir('.')"))["result"] == []
    assert (await client.old("os.makedirs('a/b'); os.chdir('a'); os.getcwd()"))["result"] == "/mnt/data/a"
    assert (await client.old("import pathlib; str(pathlib.Path.cwd())"))["result"] == "/mnt/data/a"
    assert (await client.old("os.chdir('/tmp'); os.getcwd()"))["result"] in {"/tmp", "/box/tmp"}
    assert (await client.shell("pwd"))["result"]["stdout"] == "/mnt/data\n"


async def test_output_of_programs_is_output_too(client: Client) -> None:
    told = await client.old("import subprocess, os\nsubprocess.run(['echo', 'a'])\nos.write(2, b'b\\xff')\nNone")
    assert (told["stdout"], told["stderr"]) == ("a\n", "b�")
    told = await client.old("print('x' * 3_000_000)")
    assert len(told["stdout"]) == 1 << 20
    cut = await client.new("print('x' * 100)", outputStreamsMaxLength=10)
    assert cut["result"]["stdout"] == "x" * 10


async def test_a_child_that_does_not_end_does_no_harm(client: Client) -> None:
    told = await client.old(
        "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nprint('parent' if pid else 'child')"
    )
    assert told["status"] == "Success"
    assert (await client.old("bool(pid)"))["result"] is True


@pytest.mark.parametrize("contract", ["old", "new"])
async def test_too_long_is_a_failure_and_files_outlive_it(client: Client, contract: str) -> None:
    await client.old("open('kept', 'w').write('k'); x = 1")
    if contract == "old":
        told = await client.old("while True: pass", timeoutInSeconds=0.3)
        assert (told["status"], told["stderr"]) == ("Failure", TIMED_OUT)
        assert told["executionTimeInMilliseconds"] >= 300
    else:
        whole = await client.new("import time; time.sleep(60)", timeoutInSeconds=0.3)
        assert (whole["status"], whole["result"]["stderr"]) == ("Failed", TIMED_OUT)
    assert (await client.old("'x' in globals(), open('kept').read()"))["result"] == [False, "k"]


@pytest.mark.parametrize(
    "code",
    [
        "import os; os._exit(0)",
        "import os; os.kill(os.getpid(), 9)",
        "x = bytearray(10**9); x[::4096] = b'1' * len(x[::4096])",
        "import os; os.closerange(3, 100)",
        'import os\nfor d in range(3, 20):\n    try: os.write(d, b\'{"id": "forged"}\\n\')\n    except OSError: pass',
        "import os\nfor d in range(3, 20):\n    try: os.write(d, b'x' * 100 + b'\\n')\n    except OSError: pass",
    ],
)
async def test_code_that_breaks_its_session_gets_a_new_one(client: Client, code: str) -> None:
    await client.old("x = 1")
    told = await client.old(code)
    assert told["status"] == "Failure"
    assert told["stderr"] == "Execution aborted" or "MemoryError" in told["stderr"]
    assert (await client.old("6*7"))["result"] == 42


async def test_files_in_the_new_contract(client: Client) -> None:
    answer = await client.upload("a b.txt", b"hello\r\n--x\r\n")
    assert answer.status == 200
    assert (answer.json["name"], answer.json["type"], answer.json["sizeInBytes"]) == ("a b.txt", "file", 12)
    assert answer.json["lastModifiedAt"].endswith("Z")
    assert (await client.old("open('/mnt/data/a b.txt', 'rb').read()"))["result"] == repr(b"hello\r\n--x\r\n")
    await client.old("open('a b.txt', 'a').write('more'); import os; os.mkdir('d'); open('d/e', 'w').write('1')")
    listing = (await client.file("GET", "")).json
    assert [file["name"] for file in listing["value"]] == ["a b.txt", "d/e"]
    assert (await client.file("GET", "?path=d")).json["value"][0]["name"] == "d/e"
    assert (await client.file("GET", "/a%20b.txt/content")).body == b"hello\r\n--x\r\nmore"
    assert (await client.file("GET", "/d/e")).json["sizeInBytes"] == 1
    gone = await client.file("DELETE", "/a%20b.txt")
    assert (gone.status, gone.body) == (204, b"")
    assert (await client.old("os.path.exists('a b.txt')"))["result"] is False
    await client.shell("rm -r d; echo s > shell.txt")
    assert [file["name"] for file in (await client.file("GET", "")).json["value"]] == ["shell.txt"]
    for method, path in (("GET", "/d/e"), ("GET", "/d/e/content"), ("DELETE", "/d/e"), ("GET", "/..%2Fx")):
        missing = await client.file(method, path)
        assert (missing.status, missing.code) == (404, "no_such_file")


async def test_files_in_the_old_contract(client: Client) -> None:
    assert (await client.file("GET", "", OLD)).json == {"$id": "1", "value": []}
    answer = (await client.upload("a.txt", b"abc", f"/files/upload?{OLD}")).json
    entry = answer["value"][0]
    assert (answer["$id"], entry["$id"], entry["properties"]["$id"]) == ("1", "2", "3")
    assert (entry["properties"]["filename"], entry["properties"]["size"]) == ("a.txt", 3)
    assert (await client.file("GET", "", OLD)).json == answer
    assert (await client.file("GET", "/content/a.txt", OLD)).body == b"abc"
    assert (await client.file("DELETE", "/a.txt", OLD)).json == {"message": "file deleted successfully"}


async def test_files_are_an_identifiers_own(client: Client) -> None:
    await client.upload("mine", b"1")
    client.identifier += "-other"
    assert (await client.file("GET", "")).json["value"] == []
    assert (await client.file("GET", "/mine/content")).status == 404
    assert (await client.old("import os; os.listdir('/mnt/data')"))["result"] == []


async def test_uploads_that_are_refused(client: Client) -> None:
    assert (await client.post(f"/files?identifier={client.identifier}", b"no multipart")).status == 400
    assert (await client.upload("../a", b"")).status == 400
    assert (await client.upload("x" * 300, b"")).status == 400
    assert (await client.upload("large", bytes(66 << 20))).status == 413
    half = bytes(40 << 20)
    assert [(await client.upload(name, half)).status for name in ("one", "two", "one")] == [200, 413, 200]


async def test_reset_forgets_files_and_state(client: Client) -> None:
    await client.upload("a", b"1")
    await client.old("x = 1")
    session = (await client.get(f"/session?identifier={client.identifier}")).json
    assert set(session) == {"identifier", "createdAt", "lastAccessedAt", "expireAt", "etag"}
    assert (await client.post(f"/reset?identifier={client.identifier}")).json == {"reset": True}
    assert (await client.post(f"/reset?identifier={client.identifier}")).json == {"reset": False}
    assert (await client.old("import os; 'x' in globals(), os.listdir('.')"))["result"] == [False, []]


async def test_reset_ends_what_goes_on(client: Client) -> None:
    going_on = asyncio.create_task(client.old("open('begun', 'w'); import time; time.sleep(60)"))
    waiting = asyncio.create_task(client.old("6*7"))
    while (await client.get(f"/session?identifier={client.identifier}")).status == 404:
        pass
    await client.post(f"/reset?identifier={client.identifier}")
    for told in await asyncio.gather(going_on, waiting):
        assert (told["status"], told["stderr"]) == ("Failure", "Execution aborted")


async def test_executions_of_one_identifier_take_turns(client: Client) -> None:
    await client.old("order = []")
    await asyncio.gather(
        *(client.old(f"order.append({n}); import time; time.sleep(0.02); order.append({n})") for n in range(5))
    )
    order = (await client.old("order"))["result"]
    assert order[::2] == order[1::2]
    assert sorted(order[::2]) == list(range(5))


async def test_shell_commands(client: Client) -> None:
    told = await client.shell("echo hello; echo oops >&2; exit 3")
    assert told["status"] == "3"
    assert (told["result"]["stdout"], told["result"]["stderr"]) == ("hello\n", "oops\n")
    assert (await client.shell("kill -9 $$"))["status"] == "137"
    assert (await client.shell("echo 5 > n"))["status"] == "0"
    assert (await client.old("open('n').read()"))["result"] == "5\n"


@pytest.mark.parametrize(
    ("path", "sent", "code"),
    [
        ("/executions", {"properties": {"code": "1"}}, "SessionPropertiesMissing"),
        ("/executions", {}, "SessionPropertiesMissing"),
        ("/executions", b"", "SessionPropertiesMissing"),
        ("/executions", {"code": 5}, "SessionRequestValidationFailed"),
        ("/executions", b"{", "SessionRequestValidationFailed"),
        ("/executions", {"code": "?", "codeInputType": "InlineBase64"}, "SessionRequestValidationFailed"),
        ("/code/execute", {"code": "1"}, "SessionRequestValidationFailed"),
        ("/code/execute", {"properties": {}}, "SessionRequestValidationFailed"),
    ],
)
async def test_executions_that_are_refused(client: Client, path: str, sent: object, code: str) -> None:
    answer = await client.post(path, sent)
    assert (answer.status, answer.code) == (400, code)
    assert answer.headers["x-ms-error-code"] == code


async def test_code_in_base64(client: Client) -> None:
    assert (await client.new("Nio3", codeInputType="InlineBase64"))["result"]["executionResult"] == 42


async def test_kept_sessions_are_bounded(at: Adapter, client: Client) -> None:
    """Three places: a fourth identifier gets that of the one which was idle longest; busy ones keep theirs."""
    names = [f"{client.identifier}-{n}" for n in range(4)]
    for name in names:
        client.identifier = name
        await client.old(f"x = {name!r}; open('f', 'w').write(x)")
    client.identifier = names[0]
    assert (await client.old("'x' in globals(), open('f').read()"))["result"] == [False, names[0]]
    for name in names:
        await client.post(f"/reset?identifier={name}")
    assert await _all_busy(client, names[1:])
    refused = await client.post(f"/code/execute?identifier={names[0]}", {"properties": {"code": "1"}})
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "sessions_full", "1")
    for name in names:
        await client.post(f"/reset?identifier={name}")
    assert (await client.old("6*7"))["result"] == 42


async def _all_busy(client: Client, names: list[str]) -> bool:
    """Each of them has an execution that goes on."""
    sent = {"code": "import time; time.sleep(60)", "executionType": "Asynchronous"}
    answers = [await client.post(f"/executions?identifier={name}", sent) for name in names]
    for name in names:
        while (await client.get(f"/session?identifier={name}")).status == 404:
            pass
    return {answer.status for answer in answers} == {202}


async def test_runs_and_readiness_beside_sessions(client: Client) -> None:
    assert (await client.run("print(1)"))["stdout"] == "1\n"
    ready = await client.get("/ready")
    assert (ready.status, ready.json["sessions"]) == (200, True)


async def test_as_langchain_speaks(client: Client) -> None:
    headers = {
        "User-Agent": "langchain-azure-dynamic-sessions/1.0.4 (Language=Python)",
        "Content-Type": "application/json",
    }
    where = "identifier=user-1/a-b&api-version=2024-02-02-preview"
    sent = {"properties": {"codeInputType": "inline", "executionType": "synchronous", "code": "6*7"}}
    told = (await client.post(f"/code/execute?{where}", sent, headers=headers)).json["properties"]
    assert (told["result"], told["stdout"], told["stderr"]) == (42, "", "")
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", b"abc", filename="d/a b.txt")
    entry = (await client.post(f"/files/upload?{where}", form)).json["value"][0]["properties"]
    assert (entry["filename"], entry["size"]) == ("d/a b.txt", 3)
    assert (await client.get(f"/files/content/d/a%20b.txt?{where}")).body == b"abc"
    bash = "identifier=user-1/a-b&api-version=2025-02-02-preview"
    told = (await client.post(f"/executions?{bash}", {"shellCommand": "echo hello"})).json
    assert (int(told["status"]), told["result"]["stdout"]) == (0, "hello\n")
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", b"abc", filename="a.txt")
    entry = (await client.post(f"/files?{bash}&path=/mnt/data", form)).json
    assert (entry["name"], entry["sizeInBytes"]) == ("a.txt", 3)
    assert (await client.get(f"/files/a.txt/content?{bash}")).body == b"abc"
    assert (await client.delete("/session?identifier=user-1/a-b&api-version=2025-10-02-preview")).status == 204


async def test_as_autogen_speaks(client: Client) -> None:
    listed = await client.old("import pkg_resources\n[d.project_name for d in pkg_resources.working_set]")
    assert (listed["status"], type(listed["result"])) == ("Success", list)
    assert (await client.old("import os; os.chdir('/mnt/data')"))["status"] == "Success"
    assert (await client.old("open('a.csv', 'w').write('1')\nx = 3\nx"))["result"] == 3


async def test_as_semantic_kernel_speaks(client: Client) -> None:
    boundary = "6c0e5bd6"
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="/mnt/data/a.txt"\r\nContent-Type: application/octet-stream\r\n\r\nabc\r\n--{boundary}--\r\n'
    answer = await client.post(
        f"/files/upload?identifier={client.identifier}&{OLD}",
        part.encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.json["value"][0]["properties"]["filename"] == "a.txt"
    assert (await client.old("open('/mnt/data/a.txt').read()", timeoutInSeconds=100))["result"] == "abc"
