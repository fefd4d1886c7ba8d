"""The ssh connector: the runner on a Linux machine, over ssh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from afield.connectors.base import Check, TargetContext
from afield.connectors.runner import ladder as runner_ladder
from afield.connectors.runner.connector import RunnerConnector
from afield.connectors.runner.machine import Machine
from afield.connectors.runner.spec import RUNNER_LIMITS
from afield.connectors.ssh import ladder
from afield.connectors.ssh.address import SshAddress
from afield.connectors.ssh.login import Login
from afield.connectors.ssh.machine import SshMachine


class SshConnector(RunnerConnector[SshAddress]):
    """Scripts on a Linux machine that sshd lets us into."""

    name: ClassVar[str] = "ssh"
    Address = SshAddress

    @classmethod
    async def _way(cls, context: TargetContext, address: SshAddress) -> Machine:
        timeout_s = RUNNER_LIMITS.overridden(context.settings).request_timeout.total_seconds()
        return SshMachine(Login(address, context.secret), timeout_s)

    def ladder(self) -> Sequence[Check]:
        login = Login(self.address, self.context.secret)
        above = runner_ladder.checks(self.machine, self.address, self.context.clock, needs=("login",))
        return (*ladder.checks(login), *above)
