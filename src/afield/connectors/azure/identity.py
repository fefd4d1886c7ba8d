"""Signing in to Azure: access tokens from Microsoft Entra ID, by a client's secret or a managed identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError as SdkError
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.identity.aio import ClientSecretCredential, ManagedIdentityCredential

from afield.connectors.azure.address import PUBLIC_AUTHORITY_URL, AzureAccountAddress, Identity
from afield.connectors.azure.credential import SECRET_KEYS, require_secret
from afield.connectors.azure.failure import AzureError, Trouble
from afield.connectors.azure.redaction import clean
from afield.connectors.tokens import Token, TokenGrant
from afield.errors import CredentialError

MANAGEMENT_SCOPE = "https://management.azure.com/.default"


class EntraLogin:
    """The token endpoint of one account. `refresh` is what a token source calls."""

    def __init__(
        self,
        address: AzureAccountAddress,
        transport: AsyncHttpTransport[Any, Any],
        target: str,
        scope: str = MANAGEMENT_SCOPE,
    ) -> None:
        self._address = address
        self._transport = transport
        self._target = target
        self._scope = scope

    async def refresh(self, secret: Mapping[str, str]) -> TokenGrant:
        """A new access token. Raises CredentialError when a person has to act, AzureError when it may work later."""
        require_secret(self._address, secret, self._target)
        try:
            token = await self._ask(secret)
        except (SdkError, ValueError) as error:
            raise _translated(error, self._target) from None
        return TokenGrant(Token(token.token, datetime.fromtimestamp(token.expires_on, UTC)))

    async def _ask(self, secret: Mapping[str, str]) -> AccessToken:
        if self._address.identity is Identity.MANAGED_IDENTITY:
            return await self._ask_machine(secret)
        credential = ClientSecretCredential(
            *(secret[name] for name in SECRET_KEYS),
            authority=self._address.authority_url,
            disable_instance_discovery=self._address.authority_url != PUBLIC_AUTHORITY_URL,
            transport=self._transport,
            retry_total=1,
        )
        token: AccessToken = await credential.get_token(self._scope)
        return token

    async def _ask_machine(self, secret: Mapping[str, str]) -> AccessToken:
        more: dict[str, Any] = {"client_id": secret["client_id"]} if secret.get("client_id") else {}
        if self._address.imds_url:
            more["raw_request_hook"] = _elsewhere(self._address.imds_url)
        credential = ManagedIdentityCredential(transport=self._transport, retry_total=1, **more)
        token: AccessToken = await credential.get_token(self._scope)
        return token


def _elsewhere(url: str) -> Callable[[PipelineRequest[Any]], None]:
    """A hook that sends every request to the host of `url` instead."""
    there = urlsplit(url)

    def move(request: PipelineRequest[Any]) -> None:
        http = request.http_request
        http.url = urlsplit(http.url)._replace(scheme=there.scheme, netloc=there.netloc).geturl()

    return move


def _translated(error: SdkError | ValueError, target: str) -> CredentialError | AzureError:
    """What a refused or failed sign-in means. Only a clear no is the credential's fault."""
    text = clean(str(error))
    if isinstance(error, ValueError):
        return CredentialError(f"The credential of target {target!r} is not usable: {text}", hint=_hint(text))
    answer = error if isinstance(error, HttpResponseError) and error.response else error.__cause__
    status = answer.status_code or 0 if isinstance(answer, HttpResponseError) else 0
    if isinstance(error, ClientAuthenticationError) and 400 <= status < 500 and status != 429:
        said = f"Azure does not accept the credential of target {target!r}: {text}"
        return CredentialError(said, hint=_hint(text))
    return AzureError(f"Microsoft Entra ID gave no token: {text}", trouble=Trouble.NO_TOKEN)


def _hint(text: str) -> str:
    if "AADSTS7000215" in text:
        return "Store the secret's value in the credential, not the secret's id."
    if "AADSTS7000222" in text:
        return "The client secret has expired: make a new one and store its value in the credential."
    if "managed identity" in text.lower() or "ManagedIdentity" in text:
        return "Give this machine a managed identity, or store a client secret in the credential."
    return "Check tenant_id, client_id and client_secret in the credential."
