"""The in-process remote is held to the suite that it is there to show."""

from __future__ import annotations

import pytest

from afield.testing.conformance import ConnectorConformance
from afield.testing.connector import NamelessConnector
from afield.testing.memory import MemoryHarness


class TestMemoryConnector(ConnectorConformance):
    @pytest.fixture
    def harness(self) -> MemoryHarness:
        return MemoryHarness()


class TestNamelessConnector(ConnectorConformance):
    @pytest.fixture
    def harness(self) -> MemoryHarness:
        return MemoryHarness(NamelessConnector)
