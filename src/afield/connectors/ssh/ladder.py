"""The rungs from the network up to a login. They only read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncssh

from afield.connectors.base import Check, CheckResult, CheckVerdict
from afield.connectors.runner.machine import NotReachedError
from afield.connectors.ssh.login import Login
from afield.errors import CredentialError

_MOST_BANNER = 1024


def checks(login: Login) -> Sequence[Check]:
    rungs = _Rungs(login)
    return (
        Check(name="reachable", probe=rungs.reachable),
        Check(name="host_key", probe=rungs.host_key, needs=("reachable",)),
        Check(name="login", probe=rungs.login, needs=("host_key",)),
    )


class _Rungs:
    """The probes. Each makes a connection of its own."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._host, self._port = login.address.host, login.address.port
        self._timeout_s = login.address.connect_timeout_s

    # ------------------------------------------------------------------ the network

    async def reachable(self) -> CheckResult:
        asked = f"whether an ssh server answers at {self._host}:{self._port}"
        try:
            async with asyncio.timeout(self._timeout_s):
                banner = await self._banner()
        except (OSError, TimeoutError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else "no answer in time"
            step = "Check that the machine is up, its address and port, and the firewalls on the way."
            return _fail(asked, why, f"{self._host}:{self._port} cannot be reached from here.", step)
        if banner.startswith("SSH-"):
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=banner)
        step = "Check the port of the target."
        return _fail(asked, banner or "nothing", f"What answers at {self._host}:{self._port} is no ssh server.", step)

    async def _banner(self) -> str:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            return (await reader.read(_MOST_BANNER)).decode("ascii", "replace").strip().split("\n")[0].strip()
        finally:
            writer.close()

    # ------------------------------------------------------------------ the host key

    async def host_key(self) -> CheckResult:
        asked = "the machine's host key, against those in the target's address"
        try:
            trust = await self._login.trust()
            shown = await self._shown_key()
        except NotReachedError as error:
            return _fail(asked, str(error), "host_keys of the target cannot be read.", "Correct host_keys.")
        except (OSError, TimeoutError, asyncssh.Error) as error:
            return CheckResult(verdict=CheckVerdict.COULD_NOT_LOOK, asked=asked, answered=str(error))
        if shown is None:
            return CheckResult(verdict=CheckVerdict.COULD_NOT_LOOK, asked=asked, answered="the machine shows none")
        answered = f"{shown.get_algorithm()} {shown.get_fingerprint()}"
        if trust.knows(shown, self._host, self._port):
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=answered)
        step = (
            "Compare it with the key on the machine's own console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub). "
            "If it is the same, enter it in host_keys; if not, somebody may be in between."
        )
        return _fail(asked, answered, "The machine's host key is not one that the target's address names.", step)

    async def _shown_key(self) -> asyncssh.SSHKey | None:
        async with asyncio.timeout(self._timeout_s):
            return await asyncssh.get_server_host_key(self._host, self._port, config=None)

    # ------------------------------------------------------------------ the login

    async def login(self) -> CheckResult:
        asked = f"a login as {self._login.address.user}"
        try:
            connection = await self._login.connect()
        except CredentialError as error:
            return _fail(asked, error.message, error.message, error.hint)
        except NotReachedError as error:
            return CheckResult(verdict=CheckVerdict.COULD_NOT_LOOK, asked=asked, answered=str(error))
        connection.close()
        await connection.wait_closed()
        return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered="let in")


def _fail(asked: str, answered: str, cause: str, next_step: str) -> CheckResult:
    return CheckResult(verdict=CheckVerdict.FAIL, asked=asked, answered=answered, next_step=next_step, cause=cause)
