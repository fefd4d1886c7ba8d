"""Login with Amazon: a refresh token in, an access token out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import aiohttp
import structlog

from afield.clock import Clock
from afield.connectors.amc.answer import json_object, parse_retry_after
from afield.connectors.amc.redaction import clean
from afield.connectors.tokens import Token, TokenGrant
from afield.errors import CredentialError, UnavailableError
from afield.model.jsontypes import JsonObject, JsonValue

log = structlog.get_logger(__name__)

SECRET_KEYS = ("client_id", "client_secret", "refresh_token")
"""What a credential for AMC has to hold."""

DEFAULT_LIFETIME = timedelta(minutes=60)  # of an access token whose reply does not say
_TRIES = 3
_PAUSE_S = 0.2  # before the second try; doubled before the third


class TokenUnavailableError(UnavailableError):
    """Login with Amazon gave no token this time. Nothing is wrong with the credential as far as is known."""

    code = "token_unavailable"

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message, hint="Try again.")
        self.retry_after = retry_after


class LoginWithAmazon:
    """The token endpoint of one target."""

    def __init__(self, session: aiohttp.ClientSession, url: str, target: str, clock: Clock) -> None:
        self._session = session
        self._url = url
        self._target = target
        self._clock = clock

    async def refresh(self, secret: Mapping[str, str]) -> TokenGrant:
        """A new access token. A server's trouble is tried again at once, twice.

        Raises CredentialError when a person has to act, TokenUnavailableError when it may work later.
        """
        form = refresh_form(secret, self._target)
        for attempt in range(1, _TRIES):
            try:
                return await self._ask(form)
            except TokenUnavailableError as error:
                if error.retry_after is not None:
                    raise
                log.info("amc.token_retry", target=self._target, attempt=attempt, error=error.message)
                await asyncio.sleep(_PAUSE_S * attempt)
        return await self._ask(form)

    async def _ask(self, form: Mapping[str, str]) -> TokenGrant:
        asked_at = self._clock.now()
        try:
            async with self._session.post(self._url, data=form, allow_redirects=False) as response:
                body = await response.read()
                patience = parse_retry_after(response.headers.get("Retry-After"), asked_at)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TokenUnavailableError(f"Login with Amazon did not answer ({type(error).__name__}).") from None
        said = json_object(body) or {}
        if response.status != 200:
            raise refusal(response.status, said, patience, self._target)
        token = said.get("access_token")
        if not isinstance(token, str) or not token:
            raise TokenUnavailableError("Login with Amazon answered 200 without an access token.")
        renewed = said.get("refresh_token")
        return TokenGrant(
            Token(token, asked_at + lifetime(said.get("expires_in"))),
            renewed if isinstance(renewed, str) and renewed else None,
        )


def refresh_form(secret: Mapping[str, str], target: str) -> dict[str, str]:
    """The form of a refresh. Raises CredentialError naming what the credential lacks."""
    missing = [name for name in SECRET_KEYS if not secret.get(name)]
    if missing:
        raise CredentialError(
            f"The credential of target {target!r} lacks {', '.join(missing)}.",
            hint="Store a credential with client_id, client_secret and refresh_token of Login with Amazon.",
        )
    return {"grant_type": "refresh_token"} | {name: secret[name] for name in SECRET_KEYS}


def lifetime(expires_in: JsonValue) -> timedelta:
    """How long a token lives. Amazon sends the seconds as a number, and in places as text."""
    try:
        seconds = float(expires_in) if isinstance(expires_in, str | int | float) else 0.0
    except ValueError:
        seconds = 0.0
    return timedelta(seconds=seconds) if 0 < seconds < 1e8 else DEFAULT_LIFETIME


def refusal(
    status: int, said: JsonObject, retry_after: timedelta | None, target: str
) -> CredentialError | TokenUnavailableError:
    """What a reply other than 200 means for the user."""
    code = said.get("error")
    description = said.get("error_description")
    detail = clean(description) if isinstance(description, str) else ""
    if status == 429 or status >= 500 or not isinstance(code, str):
        return TokenUnavailableError(f"Login with Amazon answered {status}. {detail}".strip(), retry_after=retry_after)
    if code == "invalid_grant":
        return CredentialError(
            f"Login with Amazon does not accept the refresh token of target {target!r} any more: {detail}",
            hint="Authorise again: sign in to Amazon, grant access, and store the new refresh token in the credential.",
        )
    if code == "invalid_client":
        return CredentialError(
            f"Login with Amazon does not know this application (invalid_client) for target {target!r}: {detail}",
            hint="The configuration is wrong: check client_id and client_secret in the credential.",
        )
    return CredentialError(
        f"Login with Amazon refused the refresh for target {target!r} ({clean(code)}): {detail}",
        hint="Check the credential's client_id, client_secret and refresh_token, and the target's token_url.",
    )
