"""The Login with Amazon token endpoint."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from .cloud import Account
from .errors import ApiError
from .faults import LoginFaults
from .gate import broken, cut_connection, throttled

_NO_GRANT = "The request has an invalid grant parameter : {name}. User may have revoked or didn't grant the permission."
_NEEDED = {
    "refresh_token": ("refresh_token", "client_id", "client_secret"),
    "authorization_code": ("code", "redirect_uri", "client_id", "client_secret"),
}


class LoginRoutes:
    """Gives out access tokens for the refresh token or an authorization code."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the route."""
        router.add_post("/auth/o2/token", self.token)

    async def token(self, http: web.Request) -> web.StreamResponse:
        """One exchange, with the faults of the endpoint."""
        account, faults = self._account, self._account.faults.login
        account.counters.calls["login"]["login"] += 1
        try:
            await self._strike(faults)
            reply = self._exchange(read_fields(await http.read()), faults)
        except ConnectionError:
            return cut_connection(http)
        except ApiError as error:
            account.counters.tokens["refused"] += 1
            return _respond(error.body, error.status, error.headers)
        finally:
            account.pulse.beat()
        if account.faults.strikes(faults.unreadable):
            return web.Response(body=b"<html>", content_type="text/html")
        return _respond(reply, 200, {})

    async def _strike(self, faults: LoginFaults) -> None:
        strikes = self._account.faults.strikes
        if faults.slow and strikes(faults.slow):
            self._account.pulse.beat()
            await asyncio.sleep(faults.slow.seconds)
        if strikes(faults.request_lost):
            raise ConnectionResetError
        if faults.throttled and strikes(faults.throttled):
            raise throttled(faults.throttled, self._account.clock.now())
        if faults.server_error and strikes(faults.server_error):
            raise broken(faults.server_error)

    def _exchange(self, fields: Mapping[str, str], faults: LoginFaults) -> Mapping[str, object]:
        grant = fields.get("grant_type", "")
        check_fields(fields, grant)
        tokens, strikes = self._account.tokens, self._account.faults.strikes
        known = (fields["client_id"], fields["client_secret"]) == (tokens.client.client_id, tokens.client.client_secret)
        if strikes(faults.invalid_client) or not known:
            raise oauth_error(401, "invalid_client", "Client authentication failed")
        if grant == "refresh_token":
            granted = fields["refresh_token"] == tokens.client.refresh_token and not tokens.refresh_revoked
        else:
            granted = tokens.use_code(fields["code"])
        if strikes(faults.invalid_grant) or not granted:
            name = "refresh_token" if grant == "refresh_token" else "code"
            raise oauth_error(400, "invalid_grant", _NO_GRANT.format(name=name))
        return self._grant(grant, faults)

    def _grant(self, grant: str, faults: LoginFaults) -> Mapping[str, object]:
        account, strikes = self._account, self._account.faults.strikes
        if grant == "authorization_code":
            account.tokens.revoke_refresh(revoked=False)
        seconds = account.account.access_token_seconds
        account.counters.tokens["issued"] += 1
        account.counters.tokens[grant] += 1
        reply: dict[str, object] = {
            "access_token": account.tokens.issue(seconds),
            "token_type": "bearer",
            "expires_in": str(seconds) if strikes(faults.expires_in_text) else seconds,
        }
        if not strikes(faults.no_refresh_token):
            reply["refresh_token"] = account.tokens.client.refresh_token
        return reply


def read_fields(data: bytes) -> Mapping[str, str]:
    """The fields of a body, JSON or form-encoded, whatever its content type says."""
    text = data.decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        try:
            return {key: str(value) for key, value in orjson.loads(text).items()}
        except ValueError:
            raise oauth_error(400, "invalid_request", "The request body is not valid JSON") from None
    return dict(parse_qsl(text))


def check_fields(fields: Mapping[str, str], grant: str) -> None:
    """Raise for a grant type that is not known, or a field that is missing."""
    if not grant:
        raise oauth_error(400, "invalid_request", "The request is missing a required parameter : grant_type")
    if grant not in _NEEDED:
        raise oauth_error(400, "unsupported_grant_type", f"The authorization grant type {grant} is not supported")
    for name in _NEEDED[grant]:
        if not fields.get(name):
            raise oauth_error(400, "invalid_request", f"The request is missing a required parameter : {name}")


def oauth_error(status: int, error: str, description: str) -> ApiError:
    """An error as OAuth words it."""
    return ApiError(status, {"error": error, "error_description": description})


def _respond(body: Mapping[str, object], status: int, headers: Mapping[str, str]) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers={"Content-Type": "application/json", **headers})
