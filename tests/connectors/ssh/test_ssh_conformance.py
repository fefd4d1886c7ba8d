"""The ssh connector is held to the conformance suite, against OpenSSH's server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_world import RunnerHarness
from ssh_world import SshServer

from afield.connectors.ssh.connector import SshConnector
from afield.testing.conformance import ConnectorConformance
from afield.testing.faults import Fault


class SshHarness(RunnerHarness):
    """The current user at a real sshd."""

    def __init__(self, server: SshServer, folder: Path) -> None:
        super().__init__(SshConnector, folder, **server.address)
        self.secret = server.secret
        self.server = server

    async def switch_on(self, fault: Fault, times: int | None = 1) -> None:
        if fault is Fault.DENIED:
            await asyncio.to_thread(self.server.let_in)
        else:
            await super().switch_on(fault, times)

    async def switch_off(self) -> None:
        await asyncio.to_thread(self.server.let_in, self.server.user_key)
        await super().switch_off()


class TestSshConformance(ConnectorConformance):
    """All cases."""

    @pytest.fixture
    def harness(self, sshd: SshServer, tmp_path: Path) -> Iterator[RunnerHarness]:
        yield SshHarness(sshd, tmp_path)
        sshd.let_in(sshd.user_key)

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
