"""The local connector is held to the conformance suite, with real scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_world import RunnerHarness

from afield.connectors.local.connector import LocalConnector
from afield.testing.conformance import ConnectorConformance
from afield.testing.faults import Fault


class TestLocalConformance(ConnectorConformance):
    """All cases."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[RunnerHarness]:
        harness = RunnerHarness(LocalConnector, tmp_path)
        harness.unsupported |= {Fault.DENIED: "there is no credential"}
        yield harness

    async def test_collecting_twice_gives_the_same(self, harness: RunnerHarness) -> None:
        harness.keep()
        await super().test_collecting_twice_gives_the_same(harness)

    async def test_an_output_that_is_away_is_an_error_and_leaves_nothing(self, harness: RunnerHarness) -> None:
        harness.keep()
        await super().test_an_output_that_is_away_is_an_error_and_leaves_nothing(harness)

    async def test_a_cancel_is_verified_by_looking(self, harness: RunnerHarness) -> None:
        harness.keep()  # it may be cancelled before it has left a line
        harness.settings = harness.settings | {"visibility_delay": 1}  # the answer arrives before the next look
        await super().test_a_cancel_is_verified_by_looking(harness)
