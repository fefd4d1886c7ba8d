"""The instance metadata endpoint, as far as it hands out tokens of the machine's identity."""

from collections.abc import Callable

from aiohttp import web

from .desk import Desk
from .errors import identity_error

PATH = "/metadata/identity/oauth2/token"


class ImdsRoutes:
    """Tokens for a managed identity, over plain http."""

    def __init__(self, desk: Desk, now: Callable[[], float]) -> None:
        self._desk = desk
        self._now = now

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the route."""
        router.add_get(PATH, self._desk.door("imds", self.token))

    async def token(self, http: web.Request) -> object:
        """A token for `resource`; numbers go out as text."""
        tokens, query = self._desk.tokens, http.query
        if http.headers.get("Metadata", "").lower() != "true":
            raise identity_error("Required metadata header not specified")
        for name in ("api-version", "resource"):
            if not query.get(name):
                raise identity_error(f"Required query variable '{name}' is missing")
        if query.get("client_id", tokens.identity_client_id).lower() != tokens.identity_client_id:
            raise identity_error("Identity not found")
        grant, now = self._desk.grant(query["resource"], identity=True), int(self._now())
        return {
            "access_token": grant.token,
            "client_id": tokens.identity_client_id,
            "expires_in": str(grant.seconds),
            "expires_on": str(now + grant.seconds),
            "ext_expires_in": str(grant.seconds),
            "not_before": str(now),
            "resource": query["resource"],
            "token_type": "Bearer",
        }
