"""Managed run commands: many at once, with exit code, time-out, output in full, and a DELETE that kills."""

import asyncio

import pytest
from aiohttp import web
from arm_caller import Azure, error_of

LOOP = "trap '' TERM; echo started; setsid sleep 1000 & sleep 1000"


async def test_from_creating_to_the_exit_code(azure: Azure):
    answer = await azure.put("A1", "echo out; echo err >&2; exit 3")
    assert answer.status == 201
    assert answer.json["properties"]["provisioningState"] == "Creating"
    assert answer.json["type"] == "Microsoft.Compute/virtualMachines/runCommands"
    assert answer.headers["azure-asyncnotification"] == "Enabled"
    assert "Location" not in answer.headers
    operation = await azure.settle(answer)
    assert (operation["status"], "properties" in operation) == ("Succeeded", False)
    shown = await azure.shown("a1")
    assert "instanceView" not in shown
    assert (shown["provisioningState"], shown["timeoutInSeconds"], shown["asyncExecution"]) == ("Succeeded", 0, False)
    view = await azure.view("a1")
    assert view["executionMessage"].endswith("command terminated with exit status=3")
    assert {key: view[key] for key in ("executionState", "exitCode", "output", "error", "statuses")} == {
        "executionState": "Failed",
        "exitCode": 3,
        "output": "out\n",
        "error": "err\n",
        "statuses": None,
    }
    assert view["endTime"] >= view["startTime"]


async def test_live_output_while_it_runs_and_a_delete_that_kills_the_whole_tree(azure: Azure):
    assert (await azure.settle(await azure.put("a1", LOOP, asyncExecution=True)))["status"] == "Succeeded"
    while (await azure.view("a1"))["output"] != "started\n":
        await asyncio.sleep(0.02)
    view = await azure.view("a1")
    assert (view["executionState"], view["executionMessage"], view["exitCode"]) == (
        "Running",
        "Execution in progress",
        0,
    )
    assert "endTime" not in view
    processes = await azure.ran("ps", "ps -e | grep -c sleep || true")
    assert processes["output"] == "0\n" or "bubblewrap" not in await confinement(azure)
    answer = await azure.call("DELETE", "/runCommands/a1")
    assert (answer.status, answer.content) == (202, b"")
    assert (await azure.settle(answer))["status"] == "Succeeded"
    assert await azure.listed() == ["ps"]
    assert (await azure.call("GET", "/runCommands/a1")).status == 404
    assert (await azure.call("DELETE", "/runCommands/a1")).status == 204
    await azure.admin.wait("idle")
    assert [(line["name"], line["killed"]) for line in await azure.admin.journal()] == [("a1", True), ("ps", False)]


async def confinement(azure: Azure) -> str:
    return (await azure.admin.call("GET", "/admin/arm/vms"))["confinement"]


async def test_a_synchronous_command_lasts_until_its_script_ends(azure: Azure):
    answer = await azure.put("a1", "until [ -e $TMPDIR/go ]; do sleep 0.01; done")
    await azure.admin.wait("running")
    assert (await azure.send("GET", answer.headers["Azure-AsyncOperation"])).json["status"] == "InProgress"
    assert (await azure.shown("a1"))["provisioningState"] == "Creating"
    assert (await azure.view("a1"))["executionState"] == "Running"
    await azure.admin.put_file(azure.vm.name, "/tmp/go", b"")
    await azure.settle(answer)
    assert (await azure.shown("a1"))["provisioningState"] == "Succeeded"


async def test_a_time_out_is_failed_and_minus_one(azure: Azure):
    view = await azure.ran("a1", LOOP, timeoutInSeconds=1)
    assert (view["executionState"], view["exitCode"], view["output"]) == ("Failed", -1, "started\n")
    assert (await azure.admin.journal())[0]["killed"]


async def test_only_the_last_4096_bytes_of_each_stream_are_shown(azure: Azure):
    script = "printf 'x%.0s' $(seq 5000); echo end; printf 'y%.0s' $(seq 4095) >&2; echo >&2"
    view = await azure.ran("a1", script)
    assert (len(view["output"]), view["output"][-4:]) == (4_096, "end\n")
    assert len(view["error"]) == 4_096


async def test_parameters_become_variables_and_arguments_and_secrets_are_not_echoed(azure: Azure):
    answer = await azure.put(
        "a1",
        "echo $a $p $1",
        parameters=[{"name": "a", "value": "one two"}, {"name": "", "value": "first"}],
        protectedParameters=[{"name": "p", "value": "hidden"}],
        runAsUser="azureuser",
        runAsPassword="hidden too",
    )
    await azure.settle(answer)
    assert (await azure.view("a1"))["output"] == "one two hidden first\n"
    for text in (answer.content, (await azure.call("GET", "/runCommands/a1")).content):
        assert b"hidden" not in text
        assert b"azureuser" in text


async def test_no_script_is_running_with_an_end(azure: Azure):
    await azure.settle(await azure.put("a1", None))
    view = await azure.view("a1")
    assert view["executionState"] == "Running"
    assert view["endTime"]
    assert "has to be specified" in view["executionMessage"]


async def test_put_again_and_patch(azure: Azure):
    await azure.ran("a1", "echo one")
    again = await azure.put("a1", "echo one")
    assert again.status == 200
    await azure.settle(again)
    assert len(await azure.admin.journal()) == 1
    changed = await azure.put("A1", "echo two")
    assert (changed.status, changed.json["properties"]["provisioningState"]) == (200, "Updating")
    await azure.settle(changed)
    assert (await azure.view("a1"))["output"] == "two\n"
    patched = await azure.call("PATCH", "/runCommands/a1", {"properties": {"source": {"script": "echo three"}}})
    assert (patched.status, patched.json["properties"]["provisioningState"]) == (200, "Updating")
    await azure.settle(patched)
    assert (await azure.view("a1"))["output"] == "three\n"
    assert await azure.listed() == ["a1"]


async def test_a_failure_may_fail_the_deployment(azure: Azure):
    operation = await azure.settle(await azure.put("a1", "exit 4", treatFailureAsDeploymentFailure=True))
    assert operation["status"] == "Failed"
    assert (await azure.shown("a1"))["provisioningState"] == "Failed"
    assert (await azure.view("a1"))["exitCode"] == 4


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"properties": {"source": {"script": "true"}}}, "LocationRequired"),
        ({"location": "x", "properties": {"source": {"script": "a", "scriptUri": "b"}}}, "BadRequest"),
        ({"location": "x", "properties": {"async_execution": True}}, "BadRequest"),
        ({"location": "x", "properties": {"timeoutInSeconds": "soon"}}, "BadRequest"),
    ],
)
async def test_bodies_that_are_refused(azure: Azure, body: dict, code: str):
    assert error_of(await azure.call("PUT", "/runCommands/a1", body))[:2] == (400, code)
    assert await azure.listed() == []


async def test_no_more_than_25(azure: Azure):
    await azure.admin.plant(azure.vm.name, "old", count=25)
    status, _, text = error_of(await azure.put("a1"))
    assert status == 409
    assert "(max=25, current=25) has been exceeded" in text
    await azure.settle(await azure.call("DELETE", "/runCommands/old-07"))
    assert (await azure.ran("a1", "echo in"))["output"] == "in\n"


async def test_the_list_comes_in_pages_and_with_views_when_asked(azure: Azure):
    await azure.admin.plant(azure.vm.name, "old", count=3)
    await azure.admin.put_settings(command_page_size=2)
    first = (await azure.call("GET", "/runCommands", **{"$expand": "instanceView"})).json
    second = (await azure.send("GET", first["nextLink"])).json
    states = [one["properties"]["instanceView"]["executionState"] for one in first["value"] + second["value"]]
    assert states == ["Succeeded"] * 3
    assert "nextLink" not in second


class Blobs:
    """What an append blob received, call by call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, bytes]] = []
        self.status = 201

    async def put(self, http: web.Request) -> web.Response:
        kind = http.headers.get("x-ms-blob-type", http.query.get("comp", ""))
        self.calls.append((http.raw_path, kind, await http.read()))
        return web.Response(status=self.status)


@pytest.fixture
async def blobs():
    blobs = Blobs()
    app = web.Application()
    app.router.add_put("/c/{name}", blobs.put)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    blobs.url = f"http://127.0.0.1:{runner.addresses[0][1]}/c"
    yield blobs
    await runner.cleanup()


async def test_full_output_goes_to_append_blobs_piece_by_piece(azure: Azure, blobs: Blobs):
    address = f"{blobs.url}/out?sp=racw&sig=a%2Fb%3D"
    answer = await azure.put(
        "a1",
        "echo one; until [ -e $TMPDIR/go ]; do sleep 0.01; done; printf 'x%.0s' $(seq 9000)",
        outputBlobUri=address,
        errorBlobUri=f"{blobs.url}/err",
    )
    assert "sig" not in answer.json["properties"]["outputBlobUri"]
    while not any(body == b"one\n" for _, _, body in blobs.calls):
        await asyncio.sleep(0.01)
    await azure.admin.put_file(azure.vm.name, "/tmp/go", b"")
    await azure.settle(answer)
    out = [call for call in blobs.calls if call[0].startswith("/c/out")]
    assert out[0] == ("/c/out?sp=racw&sig=a%2Fb%3D", "AppendBlob", b"")
    assert {call[0] for call in out[1:]} == {"/c/out?sp=racw&sig=a%2Fb%3D&comp=appendblock"}
    assert b"".join(call[2] for call in out) == b"one\n" + b"x" * 9_000
    assert [call[1] for call in blobs.calls if call[0].startswith("/c/err")] == ["AppendBlob"]


async def test_a_blob_that_refuses_fails_the_command(azure: Azure, blobs: Blobs):
    blobs.status = 403
    view = await azure.ran("a1", "echo one", outputBlobUri=f"{blobs.url}/out")
    assert (view["executionState"], view["exitCode"]) == ("Failed", -101)


async def test_a_script_from_an_address_that_fails(azure: Azure):
    source = {"scriptUri": f"{azure.sim.base_url}/nothing"}
    await azure.settle(await azure.put("a1", None, source=source))
    assert (await azure.view("a1"))["exitCode"] == -100


async def test_what_cannot_be_started_is_said(azure: Azure):
    bad = [{"name": "a", "value": "nul\0"}]
    view = await azure.ran("a1", "true", parameters=bad)
    assert (view["executionState"], view["exitCode"]) == ("Failed", -200)
    operation = await azure.settle(await azure.act("true", parameters=bad))
    assert operation["error"]["code"] == "VMExtensionProvisioningError"
    assert await azure.message(await azure.act("true"))
