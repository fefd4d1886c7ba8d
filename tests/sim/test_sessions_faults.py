"""What can go wrong at a pool: each fault shows at the control plane and at the data plane at once."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from sessions_caller import Sessions, pools_with

from afield_sim.testing import AdminError, ManualClock

HEALTHY = {
    "expectedCount": 1,
    "readyCount": 1,
    "pendingCount": 0,
    "imagePullFailCount": 0,
    "crashCount": 0,
    "allocatedCount": 0,
}


@pytest.fixture
async def pool() -> AsyncIterator[Sessions]:
    async with pools_with(clock=ManualClock()) as sessions:
        yield sessions


async def ports(pool: Sessions) -> tuple[object, object]:
    """The target port that is wanted, and the active one."""
    properties = await pool.properties()
    wanted = properties["customContainerTemplate"]["ingress"]
    active = properties["templateUpdateStatus"]["activeTemplate"]["ingress"]
    return wanted and wanted["targetPort"], active and active["targetPort"]


async def refused(pool: Sessions, status: int) -> None:
    answer = await pool.send("GET", "/x")
    assert (answer.status, answer.content, answer.headers["Server"]) == (status, b"", "Kestrel")
    assert "x-afield-adapter" not in answer.headers


async def heal(pool: Sessions) -> None:
    await pool.admin.clear_faults("custom-1")
    assert (await pool.send("GET", "/x")).status == 200


@pytest.mark.parametrize("status", [404, 502])
async def test_the_target_port_is_null(pool: Sessions, status: int):
    await pool.fault(target_port_null={"status": status})
    assert await ports(pool) == (None, None)
    await refused(pool, status)
    await heal(pool)
    assert await ports(pool) == (2000, 2000)


async def test_the_target_port_is_wrong_until_it_is_set_again(pool: Sessions):
    await pool.fault(wrong_port=8080)
    assert await ports(pool) == (8080, 8080)
    await refused(pool, 502)
    await pool.arm("PATCH", {"properties": {"customContainerTemplate": {"ingress": {"targetPort": 2000}}}})
    assert await ports(pool) == (2000, 2000)
    assert (await pool.send("GET", "/x")).status == 200


async def test_only_the_active_port_is_wrong(pool: Sessions):
    await pool.fault(wrong_port={"port": 8080, "wanted": False})
    assert await ports(pool) == (2000, 8080)
    await refused(pool, 502)


async def test_a_wrong_port_that_is_really_set(pool: Sessions):
    await pool.boot("before")
    await pool.arm("PATCH", {"properties": {"customContainerTemplate": {"ingress": {"targetPort": 8080}}}})
    assert await ports(pool) == (8080, 8080)
    await refused(pool, 502)
    assert (await pool.send("GET", "/x", "before")).status == 200


async def test_piston_is_on_the_port(pool: Sessions):
    await pool.fault(piston_on_port=True)
    unknown = await pool.send("POST", "/python/execute", data={"code": "1"})
    assert (unknown.status, unknown.content) == (404, b'{"message":"Not Found"}')
    assert unknown.headers["Content-Length"] == "23"
    assert unknown.headers["X-Powered-By"] == "Express"
    assert "x-afield-adapter" not in unknown.headers
    assert (await pool.send("GET", "/health")).status == 404
    assert (await pool.send("GET", "/")).json == {"message": "Piston v3.1.1"}
    assert (await pool.send("GET", "/api/v2/runtimes")).json[0]["language"] == "python"
    body = {"language": "python", "version": "*", "files": [{"content": "1"}]}
    executed = await pool.send("POST", "/api/v2/execute", data=body)
    assert (executed.status, executed.content) == (500, b"")
    assert await pool.status() == HEALTHY
    await heal(pool)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "language is required as a string"),
        ({"language": "python"}, "version is required as a string"),
        ({"language": "python", "version": "*"}, "files is required as an array"),
        ({"language": "python", "version": "*", "files": [{"content": "1"}, {}]}, "files[1].content is required as a"),
        ({"language": "zig", "version": "*", "files": [{"content": "1"}]}, "zig-* runtime is unknown"),
        ({"language": "py", "version": "*", "files": []}, "files must include at least one utf8 encoded file"),
    ],
)
async def test_piston_checks_first(pool: Sessions, body: dict[str, object], message: str):
    await pool.fault(piston_on_port=True)
    answer = await pool.send("POST", "/api/v2/execute", data=body)
    assert answer.status == 400
    assert answer.json["message"].startswith(message)


async def test_piston_wants_json(pool: Sessions):
    await pool.fault(piston_on_port=True)
    assert (await pool.send("POST", "/api/v2/execute", data=b"x")).status == 415


async def test_the_adapter_is_dead_and_the_container_lives(pool: Sessions):
    await pool.boot()
    await pool.fault(adapter_dead=True)
    await refused(pool, 502)
    status = await pool.status()
    assert (status["readyCount"], status["crashCount"]) == (1, 0)
    await heal(pool)


async def test_the_adapter_dies_under_a_run(pool: Sessions):
    run = asyncio.create_task(pool.send("POST", "/runs", data={"run_id": "r1", "language": "wait"}))
    await pool.admin.wait("in_flight")
    while (await pool.counts())["runs"] == {}:
        await asyncio.sleep(0.01)
    await pool.fault(adapter_dead=True)
    assert (await run).status == 502
    assert (await pool.counts())["runs"] == {"user-1": {"r1": 1}}


async def test_containers_crash(pool: Sessions):
    await pool.boot()
    await pool.fault(crashing=3)
    assert await pool.status() == {**HEALTHY, "readyCount": 0, "crashCount": 3}
    await refused(pool, 502)
    await heal(pool)


async def test_the_image_cannot_be_pulled_until_there_is_another(pool: Sessions):
    await pool.boot("before")
    await pool.fault(image_pull_failed=True)
    assert await pool.status() == {**HEALTHY, "readyCount": 0, "imagePullFailCount": 1, "allocatedCount": 1}
    await refused(pool, 502)
    assert (await pool.send("GET", "/x", "before")).status == 200
    image = {"customContainerTemplate": {"containers": [{"image": "afield-sandbox:2"}]}}
    await pool.arm("PATCH", {"properties": image})
    assert (await pool.send("GET", "/x")).status == 200
    assert (await pool.status())["imagePullFailCount"] == 0


async def test_containers_are_not_ready(pool: Sessions):
    await pool.fault(not_ready=True)
    assert await pool.status() == {**HEALTHY, "readyCount": 0, "pendingCount": 1}
    await refused(pool, 502)
    await heal(pool)


@pytest.mark.parametrize("status", [404, 429])
async def test_the_pool_is_full(pool: Sessions, status: int):
    await pool.boot("before")
    await pool.fault(**{f"full_{status}": True})
    answer = await pool.send("GET", "/x")
    assert (answer.status, answer.headers["Server"]) == (status, "Kestrel")
    assert (b"allocating pod" in answer.content) is (status == 429)
    assert "x-ms-error-code" not in answer.headers
    assert (await pool.status())["allocatedCount"] == 10
    assert (await pool.status())["readyCount"] == 0
    assert (await pool.counts())["rejected"] == 1
    assert (await pool.send("GET", "/x", "before")).status == 200
    await heal(pool)


async def test_bad_gateways_by_count(pool: Sessions):
    await pool.fault(bad_gateway=2)
    assert [(await pool.send("GET", "/x")).status for _ in range(3)] == [502, 502, 200]
    assert (await pool.counts())["faults"] == {"bad_gateway": 2}


async def test_slow_allocation(pool: Sessions):
    await pool.fault(slow_allocation_s=0.5)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await pool.boot()
    assert loop.time() - begun >= 0.5
    await pool.admin.clear_faults()
    begun = loop.time()
    await pool.boot()
    assert loop.time() - begun < 0.5


async def test_a_reply_is_lost_after_the_code_ran(pool: Sessions):
    await pool.boot()
    await pool.fault(reply_lost=1)
    assert (await pool.send("GET", "/x")).status == 200
    body = {"run_id": "r1", "language": "python"}
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await pool.send("POST", "/runs", data=body)
    assert (await pool.send("GET", "/runs/r1")).json["status"] == "finished"
    assert (await pool.send("POST", "/runs", data=body)).status == 200
    assert (await pool.counts())["runs"] == {"user-1": {"r1": 1}}


async def test_faults_of_all_pools_and_of_one(pool: Sessions):
    await pool.admin.fault("*", full_404=True)
    assert (await pool.send("GET", "/x")).status == 404
    await pool.fault(bad_gateway=1)
    assert [(await pool.send("GET", "/x")).status for _ in range(2)] == [502, 200]
    assert await pool.admin.faults() == {"*": {"full_404": {}}, "custom-1": {"bad_gateway": {"next": 0, "skip": 0}}}
    await pool.fault(bad_gateway=False)
    await pool.admin.clear_faults("*")
    assert await pool.admin.faults() == {}


async def test_faults_that_do_not_exist(pool: Sessions):
    with pytest.raises(AdminError):
        await pool.fault(no_such_fault=True)
    with pytest.raises(AdminError):
        await pool.fault(wrong_port={"prot": 1})
    with pytest.raises(AdminError, match="unknown pool"):
        await pool.admin.fault("elsewhere", full_404=True)
    with pytest.raises(AdminError):
        await pool.admin.settings(when_full=500)
    assert await pool.admin.faults() == {}
