"""The connectors for Azure VMs are held to the conformance suite, on machines that really run the scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import pytest
from azure_remote import CloudHarness, known, looked, running_cloud

from afield.connectors.azure.action import AzureVmActionConnector
from afield.connectors.azure.managed import AzureVmConnector
from afield.connectors.base import Accepted, CollectError
from afield.connectors.registry import AnyConnector
from afield.testing.conformance import ConnectorConformance
from afield.testing.faults import Fault
from afield.testing.harness import Bench

UNSUPPORTED = {
    Fault.CANCEL_TOO_LATE: "a run command that has ended is not deleted by a cancel at all",
    Fault.UNKNOWN_WORD: "the simulator uses no words of its own; shown on the stand-in",
}


class _Common(ConnectorConformance):
    """What is the same for both kinds of run commands: a result is there until it is released, so nobody collects it
    after that."""

    __test__ = False

    async def test_collecting_twice_gives_the_same(self, harness: CloudHarness) -> None:
        bench = await Bench.start(harness)
        handle = await _ended(harness, bench)
        outputs = []
        for name in ("first", "second"):
            connector = await harness.open()
            outputs.append(await connector.collect(handle, bench.artifacts.sink(name)))
            await connector.close()
        first, second = outputs
        assert replace(first, artifact=None) == replace(second, artifact=None)
        assert bench.artifacts.stored["first"] == bench.artifacts.stored["second"] == b"hi\n"

    async def test_an_output_that_is_away_is_an_error_and_leaves_nothing(self, harness: CloudHarness) -> None:
        bench = await Bench.start(harness)
        handle = await _ended(harness, bench)
        await harness.switch_on(Fault.OUTPUT_AWAY)
        connector = await harness.open()
        with pytest.raises(CollectError) as caught:
            await connector.collect(handle, bench.artifacts.sink("away"))
        await connector.close()
        assert not caught.value.final, "for now is not for ever"
        assert "away" not in bench.artifacts.stored


class TestManaged(_Common):
    """All cases, by managed run commands."""

    __test__ = True

    @pytest.fixture
    async def harness(self) -> AsyncIterator[CloudHarness]:
        async with running_cloud() as cloud:
            yield CloudHarness(cloud, cast("type[AnyConnector]", AzureVmConnector), UNSUPPORTED)


class TestAction(_Common):
    """All cases, by action run commands."""

    __test__ = True

    @pytest.fixture
    async def harness(self) -> AsyncIterator[CloudHarness]:
        slow = {Fault.SLOW_TO_SHOW: "how the extension stands is told at once; shown on the stand-in"}
        async with running_cloud() as cloud:
            yield CloudHarness(cloud, cast("type[AnyConnector]", AzureVmActionConnector), UNSUPPORTED | slow)

    async def test_a_match_is_pure_and_never_exact_for_somebody_elses(self, harness: CloudHarness) -> None:
        pytest.xfail("a VM takes one at a time")


async def _ended(harness: CloudHarness, bench: Bench) -> str:
    """The handle of a command that has ended, whose connector is forgotten."""
    intent = bench.intent(harness.spec())
    connector = await harness.open()
    assert isinstance(await connector.submit(intent), Accepted)
    await looked(connector, known(intent))
    await connector.close()
    return intent.key
