"""The login host: discovery, and tokens for the application's secret."""

import hmac
from collections.abc import Mapping

from aiohttp import web

from . import errors
from .desk import Desk, answer
from .errors import EntraError

_SUFFIX = "/.default"
_FIELDS = ("grant_type", "client_id", "scope")


class LoginRoutes:
    """Everything the https listener serves."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_get("/common/discovery/instance", self.instance)
        router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", self.configuration)
        router.add_post("/{tenant}/oauth2/v2.0/token", self._desk.door("token", self.token))

    async def instance(self, http: web.Request) -> web.Response:
        """Instance discovery: this host alone, whatever was asked for."""
        host = http.url.host_port_subcomponent
        tenant = f"{http.url.origin()}/{self._desk.tokens.tenant_id}"
        return answer(
            {
                "tenant_discovery_endpoint": f"{tenant}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
            }
        )

    async def configuration(self, http: web.Request) -> web.Response:
        """The endpoints of the tenant."""
        try:
            self._check_tenant(http)
        except EntraError as error:
            return answer(error.body, error.status)
        tenant = f"{http.url.origin()}/{self._desk.tokens.tenant_id}"
        return answer(
            {
                "token_endpoint": f"{tenant}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
                "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
                "issuer": f"{tenant}/v2.0",
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "scopes_supported": ["openid"],
            }
        )

    async def token(self, http: web.Request) -> object:
        """One exchange of client credentials for a token."""
        self._check_tenant(http)
        form = {key: str(value) for key, value in (await http.post()).items()}
        self._check_client(form)
        scope = form["scope"]
        if not scope.endswith(_SUFFIX) or " " in scope:
            raise errors.bad_scope(scope)
        grant = self._desk.grant(scope.removesuffix(_SUFFIX))
        return {
            "token_type": "Bearer",
            "expires_in": grant.seconds,
            "ext_expires_in": grant.seconds,
            "access_token": grant.token,
        }

    def _check_tenant(self, http: web.Request) -> None:
        tenant = http.match_info["tenant"]
        if tenant.lower() != self._desk.tokens.tenant_id:
            raise errors.unknown_tenant(tenant)

    def _check_client(self, form: Mapping[str, str]) -> None:
        tokens = self._desk.tokens
        missing = next((name for name in _FIELDS if not form.get(name)), None)
        if missing is not None:
            raise errors.missing_parameter(missing)
        if form["grant_type"] != "client_credentials":
            raise errors.unsupported_grant(form["grant_type"])
        if form["client_id"].lower() != tokens.client_id:
            raise errors.unknown_client(form["client_id"], tokens.tenant_id)
        if not form.get("client_secret"):
            raise errors.missing_secret()
        if not hmac.compare_digest(form["client_secret"].encode(), tokens.client_secret.encode()):
            raise errors.bad_secret(tokens.client_id)
