"""Who gets into a pool, and what those hear who do not."""

from collections.abc import AsyncIterator

import pytest
from sessions_caller import MANAGEMENT, Sessions, pools_with

from afield_sim.testing import ManualClock

OLD_AUDIENCE = "https://acasessions.io"
ROLE = "0fb8eba5-a2bb-4abe-b1c1-49dfad359bb0"


@pytest.fixture
async def pool() -> AsyncIterator[Sessions]:
    async with pools_with(clock=ManualClock()) as sessions:
        yield sessions


async def assigned(pool: Sessions) -> list[str]:
    answer = await pool.arm("GET", path="/providers/Microsoft.Authorization/roleAssignments")
    return [
        one["properties"]["principalId"]
        for one in answer.json["value"]
        if one["properties"]["roleDefinitionId"].endswith(ROLE)
    ]


async def permitted(pool: Sessions) -> list[str]:
    answer = await pool.arm("GET", path="/providers/Microsoft.Authorization/permissions")
    return answer.json["value"][0]["dataActions"]


async def test_without_a_good_token(pool: Sessions):
    expired = pool.sim.tokens.issue(pool.sim.sessions.audience, lifetime_seconds=-1)
    for token in ("", "x.y.z", expired):
        pool.token = token
        answer = await pool.send("GET", "/x")
        assert (answer.status, answer.content, answer.headers["WWW-Authenticate"]) == (401, b"", "Bearer")
        assert "x-afield-adapter" not in answer.headers


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_for_another_audience(pool: Sessions, status: int):
    await pool.admin.settings(wrong_audience_status=status)
    pool.token = pool.sim.tokens.issue(MANAGEMENT)
    answer = await pool.send("GET", "/x")
    assert (answer.status, answer.json["error"]["code"]) == (status, "Unauthenticated")
    assert (await pool.counts())["sessions"] == 0


async def test_the_older_name_of_the_audience(pool: Sessions):
    pool.token = pool.sim.tokens.issue(OLD_AUDIENCE)
    assert (await pool.send("GET", "/x")).status == 403
    await pool.admin.settings(old_audience=True)
    assert (await pool.send("GET", "/x")).status == 200


async def test_the_role_is_there(pool: Sessions):
    assert pool.sim.sessions.object_id in await assigned(pool)
    assert await permitted(pool)


async def test_the_role_is_missing(pool: Sessions):
    await pool.fault(role_missing=True)
    answer = await pool.send("GET", "/x")
    assert (answer.status, answer.content) == (403, b"")
    assert await assigned(pool) == []
    assert await permitted(pool) == []
    assert (await pool.managed("listSessions", None)).status == 403
    await pool.admin.clear_faults("custom-1", "role_missing")
    assert (await pool.send("GET", "/x")).status == 200


async def test_the_role_works_after_a_while_and_for_new_tokens(pool: Sessions):
    await pool.fault(role_pending=45)
    assert (await pool.send("GET", "/x")).status == 403
    assert pool.sim.sessions.object_id in await assigned(pool)
    await pool.sim.admin.advance(46)
    assert (await pool.send("GET", "/x")).status == 403
    pool.token = pool.sim.tokens.issue(pool.sim.sessions.audience)
    assert (await pool.send("GET", "/x")).status == 200


async def test_the_role_works_after_a_while_for_any_token(pool: Sessions):
    await pool.fault(role_pending={"seconds": 45, "new_token": False})
    assert (await pool.send("GET", "/x")).status == 403
    await pool.sim.admin.advance(46)
    assert (await pool.send("GET", "/x")).status == 200
