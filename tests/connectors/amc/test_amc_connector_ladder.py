"""The ladder: which rung fails for which fault, and that nothing is changed by looking."""

from __future__ import annotations

from typing import Any

import pytest
from amc_world import World, free_url

from afield.connectors.amc.connector import AmcConnector
from afield.connectors.base import CheckResult, CheckVerdict

RUNGS = ["token", "instance", "entity", "listing", "clock", "rate_limits"]
OK, WARN, FAIL, COULD_NOT = CheckVerdict.OK, CheckVerdict.WARN, CheckVerdict.FAIL, CheckVerdict.COULD_NOT_LOOK


async def climbed(connector: AmcConnector) -> dict[str, CheckResult]:
    """Every rung, also those a failed one would spare."""
    return {check.name: await check.probe() for check in connector.ladder()}


async def verdicts(world: World, **address: Any) -> dict[str, CheckVerdict]:
    """The verdicts that are not ok."""
    async with world.connector(**address) as connector:
        results = await climbed(connector)
    assert list(results) == RUNGS
    for result in results.values():
        assert result.asked and result.answered
        assert result.verdict is OK or result.next_step
        assert not any(secret in repr(result) for secret in world.secret.values())
    return {name: result.verdict for name, result in results.items() if result.verdict is not OK}


async def test_all_is_well_and_nothing_is_changed(world: World) -> None:
    assert await verdicts(world) == {}
    assert await world.ran() == []
    assert await world.calls("create") == await world.calls("workflows") == await world.calls("cancel") == 0


async def test_rungs_stand_on_earlier_ones_and_only_read(connector: AmcConnector) -> None:
    seen: set[str] = set()
    for check in connector.ladder():
        assert set(check.needs) <= seen and not check.intrusive
        seen.add(check.name)


async def test_a_revoked_token(world: World) -> None:
    await world.sim.admin.revoke_refresh_token()
    async with world.connector() as connector:
        result = await connector.ladder()[0].probe()
    assert result.verdict is FAIL and "Authorise again" in result.next_step and result.cause


async def test_a_token_endpoint_that_cannot_be_reached(world: World) -> None:
    url = await free_url()
    assert (await verdicts(world, token_url=url))["token"] is COULD_NOT


async def test_a_wrong_entity(world: World) -> None:
    async with world.connector(entity_id="ENTITYWRONG") as connector:
        results = await climbed(connector)
    assert results["entity"].verdict is FAIL
    assert world.sim.amc.entity_id in results["entity"].answered and "ENTITYWRONG" in results["entity"].cause
    assert results["listing"].verdict is FAIL


async def test_a_wrong_instance(world: World) -> None:
    assert await verdicts(world, instance_id="amcwrong0000") == {
        "instance": COULD_NOT,
        "entity": FAIL,
        "listing": FAIL,
    }


async def test_a_wrong_marketplace(world: World) -> None:
    assert await verdicts(world, marketplace_id="A1WRONG") == {"entity": WARN}


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({"denied": {"status": 403, "calls": ["list"]}}, {"listing": FAIL}),
        ({"server_error": {"status": 503, "calls": ["list"]}}, {"listing": COULD_NOT}),
        ({"unreadable": {"calls": ["list"]}}, {"listing": COULD_NOT}),
        ({"reply_lost": {"calls": ["list"]}}, {"listing": COULD_NOT}),
        ({"throttled": {"calls": ["list"], "seconds": 7}}, {"listing": COULD_NOT, "rate_limits": WARN}),
        ({"clock_skew": {"seconds": 20}}, {}),
        ({"clock_skew": {"seconds": 120}}, {"clock": WARN}),
        ({"clock_skew": {"seconds": -900}}, {"clock": FAIL}),
        ({"denied": {"status": 403, "calls": ["instances"]}}, {"instance": COULD_NOT, "entity": FAIL}),
    ],
)
async def test_faults_show_on_their_rung(
    world: World, faults: dict[str, Any], expected: dict[str, CheckVerdict]
) -> None:
    await world.faults(**faults)
    assert await verdicts(world) == expected


async def test_throttling_is_told_with_its_patience(world: World) -> None:
    await world.faults(throttled={"calls": ["list"], "retry_after": "seconds", "seconds": 7})
    async with world.connector() as connector:
        alone = await connector.ladder()[-1].probe()
    assert alone.verdict is WARN and "Retry-After 7 s" in alone.answered


async def test_nobody_there(world: World) -> None:
    url = await free_url()
    found = await verdicts(world, base_url=url)
    assert {found[name] for name in ("instance", "entity", "listing", "clock")} == {COULD_NOT}
