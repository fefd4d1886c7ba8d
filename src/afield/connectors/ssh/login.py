"""Logging in: what the credential offers, and what a failure means."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import asyncssh

from afield.connectors.runner.machine import NotReachedError
from afield.connectors.ssh.address import SshAddress
from afield.connectors.ssh.trust import FingerprintClient, Trust
from afield.errors import CredentialError

_KEEPALIVE_S = 10
_KEEPALIVES = 3


def private_key(secret: Mapping[str, str]) -> asyncssh.SSHKey | None:
    """The credential's key; None when it has none. Slow by design if there is a passphrase. Raises CredentialError."""
    text = secret.get("private_key")
    if not text:
        return None
    try:
        return asyncssh.import_private_key(text, secret.get("passphrase") or None)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise CredentialError(
            f"The credential's private key cannot be read: {error}.",
            hint="Enter it whole, as ssh-keygen wrote it, and its passphrase if it has one.",
        ) from error


class Login:
    """Opens connections to one machine as one user. No file of the worker's user is read: no key, no configuration."""

    def __init__(self, address: SshAddress, secret: Mapping[str, str]) -> None:
        self.address = address
        self._secret = secret
        self._trust: Trust | None = None
        self._key: asyncssh.SSHKey | None = None

    async def trust(self) -> Trust:
        """The keys the machine may show. Raises NotReachedError when the address' lines cannot be read."""
        if self._trust is None:
            try:
                self._trust = await asyncio.to_thread(Trust, self.address)
            except ValueError as error:
                raise NotReachedError("host_key", f"host_keys of the address cannot be read: {error}") from error
        return self._trust

    async def connect(self) -> asyncssh.SSHClientConnection:
        """A new connection. Raises NotReachedError, CredentialError."""
        trust = await self.trust()
        agent, where = None, f"{self.address.host}:{self.address.port}"
        try:
            async with asyncio.timeout(self.address.connect_timeout_s):
                agent = await self._agent()
                return await self._connect(trust, await self._keys(agent))
        except asyncssh.HostKeyNotVerifiable as error:
            text = f"{where} shows a host key that the target's address does not name; the connection was ended"
            raise NotReachedError("host_key", text) from error
        except asyncssh.PermissionDenied as error:
            raise CredentialError(
                f"{where} does not let {self.address.user} in: {error.reason}.",
                hint="Check the user, and that the credential's key or password is the one the machine expects.",
            ) from error
        except TimeoutError as error:
            raise NotReachedError("no_connection", f"no connection to {where} in time") from error
        except (asyncssh.Error, OSError) as error:
            raise NotReachedError("no_connection", f"no connection to {where}: {error}") from error
        finally:
            if agent is not None:
                agent.close()

    async def _agent(self) -> asyncssh.SSHAgentClient | None:
        socket = self.address.agent_socket
        return None if socket is None else await asyncssh.connect_agent(socket)

    async def _keys(self, agent: asyncssh.SSHAgentClient | None) -> list[asyncssh.SSHKeyPair | asyncssh.SSHKey] | None:
        """What to offer; None, not an empty list, for nothing: asyncssh would look in the user's home."""
        if self._key is None:
            self._key = await asyncio.to_thread(private_key, self._secret)
        keys: list[asyncssh.SSHKeyPair | asyncssh.SSHKey] = [] if self._key is None else [self._key]
        if agent is not None:
            keys += await agent.get_keys()
        return keys or None

    async def _connect(
        self, trust: Trust, keys: list[asyncssh.SSHKeyPair | asyncssh.SSHKey] | None
    ) -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            self.address.host,
            self.address.port,
            username=self.address.user,
            client_keys=keys,
            password=self._secret.get("password") or None,
            known_hosts=trust.known_hosts,
            client_factory=lambda: FingerprintClient(trust),
            config=None,
            agent_path=None,
            gss_kex=False,
            gss_auth=False,
            keepalive_interval=_KEEPALIVE_S,
            keepalive_count_max=_KEEPALIVES,
        )
