"""The admin service by itself."""

import asyncio

import pytest
from sim_caller import Caller

from afield_sim.testing import AdminError, Simulator


@pytest.mark.parametrize(
    "plan",
    [
        {"amcsim00001": {"no_such_fault": {}}},
        {"amcsim00001": {"reply_lost": {"nextt": 1}}},
        {"amcsim00001": {"reply_lost": {"probability": 2}}},
        {"amcsim00001": {"throttled": {"calls": ["sing"]}}},
        {"amcsim00001": 3},
        {"nobody": {}},
        {"login": {"visibility": {}}},
        [],
    ],
)
async def test_bad_faults_are_refused_and_change_nothing(sim: Simulator, plan):
    before = await sim.admin.faults()
    with pytest.raises(AdminError) as caught:
        await sim.admin.put_faults(plan)
    assert caught.value.args[0] == 422
    assert await sim.admin.faults() == before


async def test_faults_are_set_added_and_taken_back(sim: Simulator):
    one, two = sim.instances
    await sim.admin.put_faults({one: {"reply_lost": {"next": 3}}, two: {"wrapped": {}}})
    await sim.admin.add_faults({one: {"clock_skew": {"seconds": 5}}})
    assert set((await sim.admin.faults())[one]) == {"reply_lost", "clock_skew"}
    await sim.admin.clear_faults(one, "reply_lost")
    assert set((await sim.admin.faults())[one]) == {"clock_skew"}
    await sim.admin.clear_faults(one)
    assert one not in await sim.admin.faults()
    assert (await sim.admin.faults())[two]
    await sim.admin.clear_faults()
    assert await sim.admin.faults() == {"login": {}}


async def test_counts_left_are_shown(sim: Simulator, caller: Caller):
    await sim.admin.put_faults({caller.instance: {"server_error": {"next": 2, "calls": ["list"]}}})
    await caller.list_all()
    assert (await sim.admin.faults())[caller.instance]["server_error"]["next"] == 1


async def test_settings_are_changed_one_by_one(sim: Simulator):
    await sim.admin.put_settings({sim.instances[0]: {"concurrency": 2}})
    settings = (await sim.admin.settings())["instances"]
    assert settings[sim.instances[0]]["concurrency"] == 2
    assert settings[sim.instances[0]]["pending_seconds"] == 10
    assert settings[sim.instances[1]]["concurrency"] == 10


@pytest.mark.parametrize("change", [{"concurrency": 0}, {"unknown": 1}, {"compile_check": "never"}])
async def test_bad_settings_are_refused_and_change_nothing(sim: Simulator, change):
    before = await sim.admin.settings()
    with pytest.raises(AdminError, match="422"):
        await sim.admin.put_settings({"*": change})
    assert await sim.admin.settings() == before


async def test_what_really_ran(sim: Simulator, caller: Caller):
    await caller.created(parameterValues={"tag": "a"})
    caller.instance = sim.instances[1]
    await caller.created()
    (one,) = await sim.admin.executions(sim.instances[0])
    assert (one["number"], one["source"], one["parameter_values"]) == (1, "api", {"tag": "a"})
    assert len(one["sql_hash"]) == 64
    assert len(await sim.admin.executions()) == 2


async def test_waiting_for_executions(sim: Simulator, caller: Caller):
    waiting = asyncio.create_task(sim.admin.wait(what="created", at_least=2))
    await caller.created()
    assert not waiting.done()
    await caller.created()
    assert await waiting == 2


async def test_waiting_for_calls(sim: Simulator, caller: Caller):
    waiting = asyncio.create_task(sim.admin.wait(what="calls", call="list", instance_id=caller.instance))
    await caller.list_all()
    assert await waiting == 1


async def test_waiting_in_vain(sim: Simulator):
    with pytest.raises(AssertionError):
        await sim.admin.wait(what="created", timeout=0.01)
    with pytest.raises(AdminError):
        await sim.admin.wait(what="miracles")


async def test_calls_are_counted(sim: Simulator, caller: Caller):
    execution_id = await caller.created()
    await caller.get(execution_id)
    await caller.list_all()
    assert (await sim.admin.counters())["calls"][caller.instance] == {"create": 1, "get": 1, "list": 1}


async def test_reset_forgets_all_but_the_credentials(sim: Simulator, caller: Caller):
    await caller.created()
    await sim.admin.put_faults({caller.instance: {"wrapped": {}}})
    await sim.admin.reset()
    assert await sim.admin.executions() == []
    assert (await sim.admin.counters())["calls"] == {}
    assert (await sim.admin.settings())["instances"][caller.instance]["pending_seconds"] == 0.05
    assert (await caller.list_all()).json == {"executions": []}


async def test_forcing_or_planting_nonsense(sim: Simulator):
    for call in (
        sim.admin.force("nobody", "CANCELLED"),
        sim.admin.plant("nobody"),
        sim.admin.plant(sim.instances[0], time_window_start="2025"),
        sim.admin.plant(sim.instances[0], count=0),
        sim.admin.advance(-1),
    ):
        with pytest.raises(AdminError):
            await call


async def test_faults_that_struck_are_counted(sim: Simulator, caller: Caller):
    await sim.admin.put_faults({caller.instance: {"cancel_ignored": {}}, "login": {"throttled": {"next": 1}}})
    await caller.cancel(await caller.created())
    await caller.login()
    counted = (await sim.admin.counters())["faults"]
    assert counted == {caller.instance: {"cancel_ignored": 1}, "login": {"throttled": 1}}


async def test_a_busy_simulator_stays_awake(sim: Simulator, caller: Caller):
    sql = "SELECT sum(a.i * b.i % 7) AS n FROM range(10000000) a(i), range(10000000) b(i)"
    execution_id = await caller.created(sql)
    await sim.admin.advance(10)
    answers = await asyncio.gather(*(caller.get(execution_id) for _ in range(20)))
    assert {answer.json["status"] for answer in answers} == {"RUNNING"}
