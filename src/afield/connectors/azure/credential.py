"""What a credential for Azure holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from afield.connectors.azure.address import AzureAccountAddress, Identity
from afield.errors import CredentialError

SECRET_KEYS = ("tenant_id", "client_id", "client_secret")
"""What a credential for a service principal has to hold."""


def require_secret(address: AzureAccountAddress, secret: Mapping[str, str], target: str) -> None:
    """Raises CredentialError naming what the credential lacks. A managed identity needs nothing."""
    missing = [name for name in SECRET_KEYS if not secret.get(name)]
    if missing and address.identity is Identity.CLIENT_SECRET:
        raise CredentialError(
            f"Azure credentials required: the credential of target {target!r} lacks {', '.join(missing)}.",
            hint="Store a credential with tenant_id, client_id and client_secret of a service principal.",
        )


def fingerprint(secret: Mapping[str, str]) -> str:
    """Tells two credentials apart without showing either."""
    text = "\0".join(f"{name}={secret.get(name, '')}" for name in SECRET_KEYS)
    return hashlib.sha256(text.encode()).hexdigest()
