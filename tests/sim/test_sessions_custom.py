"""The endpoint of a custom pool: what reaches the container, and what the platform answers itself."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from sessions_caller import Sessions, pools_with
from yarl import URL


@pytest.fixture
async def pool() -> AsyncIterator[Sessions]:
    async with pools_with() as sessions:
        yield sessions


async def test_a_request_goes_through_unchanged(pool: Sessions):
    answer = await pool.send("PUT", "/a%2Fb/c%20d", "user-1", data=b"a body", x="1 2", y="ü")
    seen = answer.json
    assert answer.status == 200
    assert answer.headers["x-odd"] == "kept"
    assert answer.headers["x-afield-adapter"] == "stand-in"
    assert seen["method"] == "PUT"
    assert seen["target"] == "/a%2Fb/c%20d?identifier=user-1&x=1+2&y=%C3%BC"
    assert seen["body"] == "a body"
    assert seen["headers"]["Authorization"].startswith("Bearer ")
    assert int(seen["headers"]["Content-Length"]) == 6


async def test_a_target_keeps_its_spelling(pool: Sessions):
    target = "/a%2fb/%7Ec//d/../e?identifier=user-1&x=%7e&y"
    headers = {"Authorization": f"Bearer {pool.token}"}
    async with pool.http.get(URL(pool.pool.endpoint + target, encoded=True), headers=headers) as answer:
        assert (await answer.json())["target"] == target


async def test_a_status_of_the_container_goes_through_too(pool: Sessions):
    answer = await pool.send("GET", "/nowhere", status="404")
    assert (answer.status, answer.json["target"]) == (404, "/nowhere?identifier=user-1&status=404")
    assert answer.headers["x-afield-adapter"] == "stand-in"


async def test_the_root_and_pieces(pool: Sessions):
    assert (await pool.send("GET", "")).json["target"] == "/?identifier=user-1"
    assert (await pool.send("GET", "/pieces")).content == b"piece 0\npiece 1\npiece 2\n"


async def test_the_identifier_can_be_kept_from_the_container(pool: Sessions):
    await pool.admin.settings(forward_identifier=False)
    assert (await pool.send("GET", "/x", a="1")).json["target"] == "/x?a=1"


async def test_an_identifier_has_a_container_of_its_own(pool: Sessions):
    one, other = await asyncio.gather(pool.boot("user-1"), pool.boot("user-2"))
    assert one != other
    assert [await pool.boot("user-1"), await pool.boot("user-2")] == [one, other]
    assert (await pool.counts())["allocated"] == {"user-1": 1, "user-2": 1}


async def test_two_requests_at_once_share_a_new_session(pool: Sessions):
    boots = await asyncio.gather(*(pool.boot("user-1") for _ in range(5)))
    assert len(set(boots)) == 1
    assert (await pool.counts())["allocated"] == {"user-1": 1}


@pytest.mark.parametrize(
    ("identifier", "text"),
    [
        (None, "Missing required parameter 'identifier'"),
        ("", "Missing required parameter 'identifier'"),
        ("abc", "4 to 128"),
        ("x" * 129, "4 to 128"),
        ("user 1", "not allowed"),
        ("üser1", "not allowed"),
    ],
)
async def test_identifiers_are_checked(pool: Sessions, identifier: str | None, text: str):
    answer = await pool.send("GET", "/x", identifier)
    assert answer.status == 400
    assert answer.headers["x-ms-error-code"] == answer.json["error"]["code"] == "SessionRequestValidationFailed"
    assert text in answer.json["error"]["message"]
    assert "x-afield-adapter" not in answer.headers


async def test_stopping_a_session(pool: Sessions):
    first = await pool.boot()
    stopped = await pool.managed("stopSession")
    assert (stopped.status, stopped.content.decode()) == (200, "Session user-1 in session pool custom-1 stopped.")
    assert stopped.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert stopped.headers["Server"] == "Kestrel"
    assert "api-supported-versions" in stopped.headers
    again = await pool.managed("stopSession")
    assert (again.status, again.content.decode()) == (400, "Failed to stop session, session not found.")
    assert await pool.boot() != first


async def test_looking_at_sessions(pool: Sessions):
    unknown = await pool.managed("getSession")
    assert (unknown.status, unknown.json["error"]["code"]) == (400, "SessionWithIdentifierNotFound")
    await pool.boot()
    shown = (await pool.managed("getSession")).json
    assert set(shown) == {"identifier", "createdAt", "lastAccessedAt", "expireAt", "etag"}
    listed = (await pool.managed("listSessions", None, skip="0")).json
    assert [one["identifier"] for one in listed["sessions"]] == ["user-1"]
    assert listed["nextLink"] is None
    assert (await pool.managed("listSessions", None, skip="1")).json["sessions"] == []
    assert (await pool.managed("listSessions", None, skip="x")).status == 400
    assert (await pool.managed("elsewhere")).status == 404


async def test_a_websocket_goes_through(pool: Sessions):
    url = f"{pool.pool.endpoint}/connect?identifier=user-1"
    headers = {"Authorization": f"Bearer {pool.token}"}
    async with pool.http.ws_connect(url, headers=headers, protocols=["odd"]) as socket:
        assert socket.protocol == "odd"
        await socket.send_str("hello")
        assert (await socket.receive_str()).endswith(" hello")
        await socket.send_bytes(b"abc")
        assert await socket.receive_bytes() == b"cba"
        await socket.send_str("close")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4999


async def test_a_refused_websocket(pool: Sessions):
    headers = {"Authorization": f"Bearer {pool.token}"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await pool.http.ws_connect(f"{pool.pool.endpoint}/other?identifier=user-1", headers=headers)
    assert refused.value.status == 200
    assert refused.value.headers is not None
    assert refused.value.headers["x-afield-adapter"] == "stand-in"
    await pool.admin.settings(websockets=False)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await pool.http.ws_connect(f"{pool.pool.endpoint}/connect?identifier=user-1", headers=headers)
    assert refused.value.status == 400


async def test_the_regional_endpoint_is_not_for_a_custom_pool(pool: Sessions):
    regional = pool.sim.sessions.interpreter.endpoint.replace("interpreter-1", "custom-1")
    headers = {"Authorization": f"Bearer {pool.token}"}
    async with pool.http.get(f"{regional}/session?identifier=user-1", headers=headers) as answer:
        told = (await answer.json())["error"]
        assert (answer.status, answer.headers["x-ms-error-code"]) == (400, "DynamicApisNotAllowed")
        assert told["message"] == (
            "Dynamic API calls are not allowed for session pool 'custom-1': 'the pool is not dynamic'."
        )


async def test_runs_are_counted_once_by_their_id(pool: Sessions):
    for identifier, run_id in [("user-1", "r1"), ("user-1", "r1"), ("user-1", "r2"), ("user-2", "r1")]:
        await pool.send("POST", "/runs", identifier, data={"run_id": run_id, "language": "python"})
    wanted = {"user-1": {"r1": 1, "r2": 1}, "user-2": {"r1": 1}}
    assert (await pool.counts())["runs"] == wanted
    await pool.managed("stopSession")
    assert (await pool.counts())["runs"] == wanted
    await pool.send("POST", "/runs", "user-1", data={"run_id": "r1", "language": "python"})
    assert (await pool.counts())["runs"]["user-1"] == {"r1": 2, "r2": 1}
