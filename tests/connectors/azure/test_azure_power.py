"""The connector `azure_vm_power`: confirmed by name, sent once, told honestly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, ClassVar, cast
from uuid import UUID

import pytest
from azure_remote import Cloud, CloudHarness, known, looked, running_cloud
from azure_world import new_intent
from pydantic import ValidationError
from structlog.testing import capture_logs

from afield.connectors.azure.power import AzureVmPowerConnector
from afield.connectors.azure.power_wire import PowerOperation, VmPowerSpec, by_power_state, cannot
from afield.connectors.azure.view import PowerState
from afield.connectors.base import Accepted, Intent, LookQuery, Match, NotSent, Refused, RemoteState, Unknown
from afield.connectors.registry import AnyConnector
from afield.diagnose.ladder import climb
from afield.faultpoints import FaultPoint
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject
from afield.model.states import ExecutionState
from afield.testing.conformance import ConnectorConformance
from afield.testing.faults import Fault
from afield.testing.harness import Bench

CALLS = ("restart", "start", "power_off", "deallocate", "reapply", "redeploy")
TURNED_AWAY = ("reply_lost_before", "throttled")


class PowerHarness(CloudHarness):
    """One machine, and one kind of operation."""

    starts: ClassVar[list[str]] = list(CALLS)
    looks: ClassVar[list[str]] = ["operation"]

    def __init__(self, cloud: Cloud, operation: str) -> None:
        unsupported = {
            Fault.CANCEL_TOO_LATE: "there is no cancel",
            Fault.UNKNOWN_WORD: "the simulator uses no words of its own",
            Fault.SLOW_TO_SHOW: "an operation is there as soon as it is accepted",
            Fault.OUTPUT_AWAY: "there is no output",
        }
        super().__init__(cloud, cast("type[AnyConnector]", AzureVmPowerConnector), unsupported)
        self.operation = operation

    def spec(self, *, long: bool = False) -> JsonObject:
        return _spec(self.operation)

    def bad_spec(self) -> JsonObject:
        return _spec("explode")

    async def count(self, execution_id: UUID) -> int:
        """Of all there were: those that came, without those that were turned away or lost on the way."""
        counters = await self.cloud.sim.arm_admin.counters()
        faults = counters["faults"].get(self.cloud.vm.name, {})
        forbidden = "forbidden" in (await self.cloud.sim.arm_admin.faults()).get(self.cloud.vm.name, {})
        came = await self.cloud.counted(*CALLS) - sum(faults.get(name, 0) for name in TURNED_AWAY)
        return 0 if forbidden else came


def _spec(operation: str = "restart", **changes: Any) -> JsonObject:
    return {"operation": operation, "reason": "conflict that cannot end", "confirm_name": "VM-01"} | changes


def _intent(operation: str = "restart", **changes: Any) -> Intent:
    return new_intent(_spec(operation, **changes))


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with running_cloud() as running:
        yield running


class TestPower(ConnectorConformance):
    """All cases, by an operation whose effect can be seen."""

    @pytest.fixture
    def harness(self, cloud: Cloud) -> PowerHarness:
        return PowerHarness(cloud, "deallocate")


@pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.REQUEST_LOST, None])
async def test_a_restart_in_doubt_is_never_repeated_by_itself(cloud: Cloud, fault: Fault | None) -> None:
    """Whether it was lost on the way there or back, or the worker died, and although it could be sent again."""
    harness = PowerHarness(cloud, "restart")
    bench = await Bench.start(harness)
    one = await bench.record(_spec())
    if fault is None:
        assert await bench.crash(FaultPoint.AFTER_SEND)
    else:
        await harness.switch_on(fault)
    await bench.drive(timedelta(seconds=0.5))  # absence would have been decided after 0.3
    row = await bench.row(one)
    assert (row.state, row.reason and row.reason.code) == (ExecutionState.UNCONFIRMED, "possible_match")
    assert await cloud.counted("restart") == 1


@pytest.mark.parametrize(
    ("operation", "power"),
    [
        ("restart", "running"),
        ("power_off", "stopped"),
        ("deallocate", "deallocated"),
        ("reapply", "running"),
        ("redeploy", "running"),
        ("start", "running"),
    ],
)
async def test_an_operation_is_sent_followed_and_forgotten(cloud: Cloud, operation: str, power: str) -> None:
    intent = _intent(operation)
    async with cloud.connector(AzureVmPowerConnector) as connector:
        with capture_logs() as logs:
            assert await connector.submit(intent) == Accepted(intent.key)
        assert isinstance(await connector.submit(intent), Unknown), "an attempt leaves once"
    async with cloud.connector(AzureVmPowerConnector) as connector:  # another process
        entry = await looked(connector, known(intent))
        assert (entry.state, connector.match(intent, entry)) == (RemoteState.SUCCEEDED, Match.EXACT)
        await connector.release(intent)
    assert (await cloud.power(), await cloud.counted(*CALLS), intent.key in cloud.notes.kept) == (power, 1, False)
    assert {"operation": operation, "why": "conflict that cannot end"}.items() <= logs[0].items()


async def test_another_vms_name_confirms_nothing(cloud: Cloud) -> None:
    async with cloud.connector(AzureVmPowerConnector) as connector:
        answer = await connector.submit(_intent(confirm_name="vm-02"))
    assert isinstance(answer, Refused)
    assert answer.reason.code == "name_not_confirmed"
    assert await cloud.counted(*CALLS, "vm_get") == 0


@pytest.mark.parametrize("wrong", [{"reason": " no "}, {"confirm_name": ""}, {"operation": "delete"}, {"force": True}])
def test_a_spec_without_reason_or_name_is_refused_before_it_is_recorded(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VmPowerSpec.model_validate(_spec() | wrong)


@pytest.mark.parametrize(
    ("faults", "kind", "code", "said"),
    [
        ({"deallocated": {}}, Refused, "vm_not_running", "use `start`"),
        ({"deallocated": {}, "power_state_missing": {}}, Refused, "vm_not_running", "409"),
        ({"forbidden": {"actions": ["*/restart/action"]}}, Refused, "forbidden", "virtualMachines/restart/action"),
        ({"vm_missing": {}}, Refused, "not_found", "was not found"),
        ({"throttled": {"calls": ["restart"], "seconds": 9}}, NotSent, "throttled", "429"),
        ({"unavailable_once": {"calls": ["restart"]}}, Unknown, "remote_error", "503"),
    ],
)
async def test_what_is_not_accepted_says_why(
    cloud: Cloud, faults: dict[str, Any], kind: type[Any], code: str, said: str
) -> None:
    await cloud.fault(**faults)
    intent = _intent()
    async with cloud.connector(AzureVmPowerConnector) as connector:
        answer = await connector.submit(intent)
    assert isinstance(answer, kind)
    assert answer.reason.code == code
    assert said in answer.reason.text
    assert (intent.key in cloud.notes.kept) == (kind is Unknown)
    assert await cloud.counted("restart") == int(set(faults) not in ({"deallocated"}, {"vm_missing"}))


async def test_a_failed_operation_is_told_in_azures_words(cloud: Cloud) -> None:
    intent = _intent("start")
    async with cloud.connector(AzureVmPowerConnector) as connector:
        await connector.submit(intent)
        failed = {"status": "Failed", "error": {"code": "AllocationFailed", "message": "no room"}}
        connector._vm.api.get_operation = _answering(failed)  # type: ignore[method-assign]
        entry = await looked(connector, known(intent))
    assert (entry.state, entry.reason) == (
        RemoteState.FAILED,
        Reason("operation_failed", "Azure says AllocationFailed: no room"),
    )


def _answering(body: JsonObject) -> Any:
    async def get_operation(_: str) -> JsonObject:
        return body

    return get_operation


@pytest.mark.parametrize(
    ("operation", "in_doubt", "state"),
    [("start", False, RemoteState.SUCCEEDED), ("restart", False, None), ("restart", True, RemoteState.UNKNOWN)],
)
async def test_an_operation_azure_forgot_is_not_sent_again(
    cloud: Cloud, operation: str, in_doubt: bool, state: RemoteState | None
) -> None:
    intent = _intent(operation)
    query = LookQuery(doubts=(intent,)) if in_doubt else known(intent)
    async with cloud.connector(AzureVmPowerConnector) as connector:
        await connector.submit(intent)
        kept = cloud.notes.kept[intent.key]
        cloud.notes.kept[intent.key] = kept.replace("/operations/", "/operations/gone-")
        if state is RemoteState.SUCCEEDED:
            await looked(connector, query)
        snapshot = await connector.look(query)
    assert snapshot.complete
    assert [entry.state for entry in snapshot.entries] == ([state] if state else [])
    assert all(connector.match(intent, entry) is Match.EXACT for entry in snapshot.entries)


RUNNING, STOPPED, GONE = PowerState.RUNNING, PowerState.STOPPED, PowerState.DEALLOCATED


@pytest.mark.parametrize(
    ("operation", "power", "state", "named"),
    [
        ("start", RUNNING, RemoteState.SUCCEEDED, True),
        ("start", PowerState.STARTING, RemoteState.RUNNING, True),
        ("start", STOPPED, None, False),
        ("power_off", STOPPED, RemoteState.SUCCEEDED, True),
        ("deallocate", STOPPED, None, False),
        ("deallocate", GONE, RemoteState.SUCCEEDED, True),
        ("restart", RUNNING, RemoteState.UNKNOWN, False),
        ("redeploy", STOPPED, RemoteState.UNKNOWN, False),
        ("reapply", RUNNING, RemoteState.UNKNOWN, False),
    ],
)
def test_what_the_power_state_tells(operation: str, power: PowerState, state: RemoteState | None, named: bool) -> None:
    entry = by_power_state(PowerOperation(operation), power, "key")
    assert (entry and entry.state, bool(entry and entry.name)) == (state, named)


def test_only_a_running_vm_is_restarted() -> None:
    assert cannot(PowerOperation.RESTART, STOPPED) is not None
    assert cannot(PowerOperation.RESTART, PowerState.MISSING) is None
    assert cannot(PowerOperation.START, GONE) is None


async def test_power_shares_the_updates_of_the_vm(cloud: Cloud) -> None:
    async with cloud.connector(AzureVmPowerConnector, {"pace": 0.25}) as connector:
        answers = [await connector.submit(_intent("reapply")) for _ in range(4)]
    assert [type(one) for one in answers] == [Accepted, Accepted, Accepted, NotSent]


async def test_a_vm_that_is_off_is_no_finding_here(cloud: Cloud) -> None:
    await cloud.fault(deallocated={}, agent_not_ready={})
    async with cloud.connector(AzureVmPowerConnector) as connector:
        diagnosis = await climb("target vm-01", connector.ladder())
    assert [rung.verdict.value for rung in diagnosis.rungs] == ["ok", "ok", "ok"], diagnosis
