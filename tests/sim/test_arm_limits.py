"""Budgets: how much of each, enforced or only counted."""

import pytest
from arm_caller import Azure, error_of

from afield_sim.arm.calls import RULES, Call, Group, Traffic
from afield_sim.arm.throttle import SUBSCRIPTION, Throttle


@pytest.mark.parametrize(
    ("group", "burst", "per_minute"),
    [(Group.UPDATE, 12, 4), (Group.DELETE, 12, 4), (Group.LOW_COST_GET, 36, 12), (Group.OPERATION, 45, 15)],
)
def test_a_machine_has_its_burst_and_its_refill(group: Group, burst: int, per_minute: int):
    throttle = Throttle()
    assert [throttle.spend_group(group, "vm", 0).allowed for _ in range(burst + 1)] == [True] * burst + [False]
    refused = throttle.spend_group(group, "vm", 0)
    assert refused.retry_after == 60 / per_minute
    assert throttle.spend_group(group, "other", 0).allowed
    assert throttle.spend_group(group, "vm", refused.retry_after).allowed
    assert not throttle.spend_group(group, "vm", refused.retry_after).allowed
    assert throttle.violations == {("vm", group): 3}


@pytest.mark.parametrize(
    ("traffic", "burst", "per_second"), [("reads", 250, 25), ("writes", 200, 10), ("deletes", 200, 10)]
)
def test_the_subscription_has_a_budget_of_all_traffic(traffic: str, burst: int, per_second: int):
    throttle = Throttle()
    assert all(throttle.spend_traffic(Traffic(traffic), 0).allowed for _ in range(burst))
    assert not throttle.spend_traffic(Traffic(traffic), 0).allowed
    assert [throttle.spend_traffic(Traffic(traffic), 1).allowed for _ in range(per_second + 1)].count(False) == 1


def test_machines_share_the_budget_of_the_subscription_and_it_can_be_scaled():
    throttle = Throttle()
    throttle.reset(0.01)
    verdicts = [throttle.spend_group(Group.HIGH_COST_GET, None, 0) for _ in range(10)]
    assert [verdict.allowed for verdict in verdicts] == [True] * 9 + [False]
    assert verdicts[0].left == {SUBSCRIPTION: 8}


def test_what_shares_the_budget_of_updates():
    assert {call for call, rule in RULES.items() if rule.group is Group.UPDATE} == {
        Call.RUN_COMMAND, Call.COMMAND_PUT, Call.COMMAND_PATCH, Call.COMMAND_DELETE, Call.RESTART, Call.START,
        Call.POWER_OFF, Call.REDEPLOY, Call.REAPPLY, Call.EXTENSION_DELETE,
    }  # fmt: skip
    assert set(RULES) == set(Call)


async def test_beyond_the_budget_it_is_429_until_it_is_refilled(azure: Azure):
    await azure.admin.put_settings(enforce_limits=True)
    left = []
    for _ in range(36):
        answer = await azure.call("GET")
        left.append(answer.headers["x-ms-ratelimit-remaining-resource"].partition(",")[0])
    assert (left[0], left[-1]) == ("Microsoft.Compute/LowCostGet3Min;35", "Microsoft.Compute/LowCostGet3Min;0")
    answer = await azure.call("GET", "/instanceView")
    assert error_of(answer) == (
        429,
        "OperationNotAllowed",
        "The server rejected the request because too many requests have been received for this subscription.",
    )
    assert answer.headers["Retry-After"] == "5"
    assert (await azure.at(1).call("GET")).status == 200
    await azure.sim.admin.advance(5)
    assert (await azure.call("GET")).status == 200
    assert (await azure.admin.counters())["violations"] == {azure.vm.name: {"LowCostGet": 1}}


async def test_polls_spend_the_budget_of_the_machine_they_are_about(azure: Azure):
    answer = await azure.act("true")
    await azure.admin.put_settings(enforce_limits=True, limit_scale=2 / 45)
    url = answer.headers["Azure-AsyncOperation"]
    assert [(await azure.send("GET", url)).status for _ in range(3)] == [200, 200, 429]


async def test_not_enforced_it_is_counted_all_the_same(azure: Azure):
    await azure.admin.put_settings(limit_scale=1 / 12)
    assert [(await azure.put(f"a{number}")).status for number in range(3)] == [201] * 3
    assert (await azure.admin.counters())["violations"] == {azure.vm.name: {"UpdateVM": 2}}


async def test_the_traffic_of_the_subscription_is_429_too(azure: Azure):
    await azure.admin.put_settings(enforce_limits=True, limit_scale=1 / 250)
    path = f"/subscriptions/{azure.sim.arm.subscription_id}/resourceGroups"
    assert (await azure.send("GET", path)).status == 200
    answer = await azure.send("GET", path)
    assert error_of(answer)[:2] == (429, "TooManyRequests")
    assert answer.headers["x-ms-failure-cause"] == "gateway"
    assert int(answer.headers["Retry-After"]) >= 1
