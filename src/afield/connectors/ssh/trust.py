"""Whether a host key is the one we were told of. There is no trust on first use."""

from __future__ import annotations

import asyncssh

from afield.connectors.ssh.address import SshAddress, is_fingerprint


class Trust:
    """The keys a target's machine may show. Raises ValueError when they cannot be read."""

    def __init__(self, address: SshAddress) -> None:
        lines = [key for key in address.host_keys if not is_fingerprint(key)]
        self._fingerprints = {key.rstrip("=") for key in address.host_keys if is_fingerprint(key)}
        self.known_hosts = asyncssh.import_known_hosts("\n".join(lines) + "\n")

    def knows_fingerprint(self, key: asyncssh.SSHKey) -> bool:
        return key.get_fingerprint("sha256") in self._fingerprints

    def knows(self, key: asyncssh.SSHKey, host: str, port: int) -> bool:
        """Whether this plain key is trusted for the machine, by fingerprint or by line."""
        trusted, _, revoked, *_ = self.known_hosts.match(host, "", port)
        return key not in revoked and (key in trusted or self.knows_fingerprint(key))


class FingerprintClient(asyncssh.SSHClient):
    """Asked by asyncssh about a host key that no known_hosts line names."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        return self._trust.knows_fingerprint(key)
