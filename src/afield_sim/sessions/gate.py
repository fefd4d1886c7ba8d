"""The edge of a pool's endpoint: who is let in, which identifier a request has, and how refusals are answered."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from ..arm.gate import cut_connection
from ..entra.tokens import Claims, TokenProblem, Tokens
from . import errors, identifiers
from .errors import PoolError
from .faults import PoolFaults
from .pool import Pool
from .world import World

AUDIENCE = "https://dynamicsessions.io"
OLD_AUDIENCE = "https://acasessions.io"

PoolHandler = Callable[[web.Request, Pool], Awaitable[web.StreamResponse]]


class ReplyLostError(Exception):
    """The connection is to be cut."""


class PoolGate:
    """Checks tokens and roles as the faults want it."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self._world = world
        self._tokens = tokens

    async def answer(self, http: web.Request, pool: Pool, handler: PoolHandler) -> web.StreamResponse:
        """What the handler answers, or what is answered in its place."""
        name = pool.resource.name
        self._world.counters.calls[name][http.method] += 1
        try:
            self._let_in(http, pool)
            return await handler(http, pool)
        except PoolError as error:
            self._world.counters.calls[name][f"refused_{error.status}"] += 1
            return respond(error)
        except ReplyLostError:
            return cut_connection(http)
        finally:
            self._world.pulse.beat()

    def role_works(self, pool: Pool, claims: Claims | None = None) -> bool:
        """Whether the role is in force (for this token)."""
        faults = pool.faults
        if faults.role_missing:
            return False
        if faults.role_pending is None:
            return True
        begins = self._world.faults.since(faults.role_pending) + faults.role_pending.seconds
        if claims and faults.role_pending.new_token and claims.iat + 1 <= begins:
            return False
        return self._world.clock.now() >= begins

    def _let_in(self, http: web.Request, pool: Pool) -> None:
        authorization = http.headers.get("Authorization")
        problem = self._tokens.check(authorization, AUDIENCE)
        if problem is TokenProblem.WRONG_AUDIENCE and self._world.settings.old_audience:
            problem = self._tokens.check(authorization, OLD_AUDIENCE)
        if problem is TokenProblem.WRONG_AUDIENCE:
            raise errors.wrong_audience(self._world.settings.wrong_audience_status)
        if problem is not None:
            raise errors.no_token()
        if not self.role_works(pool, self._tokens.claims_of(authorization)):
            raise errors.no_role()


def identifier_of(http: web.Request) -> str:
    """The identifier in the query; PoolError 400 when it is missing or not a good one."""
    identifier = http.query.get("identifier", "")
    if not identifier:
        raise errors.identifier_missing()
    problem = identifiers.problem_of(identifier)
    if problem is not None:
        raise errors.identifier_bad(problem)
    return identifier


def refuse_broken(faults: PoolFaults, world: World) -> None:
    """PoolError when the faults let no request reach a container."""
    if faults.target_port_null and faults.target_port_null.active:
        raise errors.no_route(faults.target_port_null.status)
    wrong_port = faults.wrong_port is not None and faults.wrong_port.active
    if wrong_port or faults.kills or faults.not_ready or world.faults.strikes(faults.bad_gateway):
        raise errors.bad_gateway()


def respond(error: PoolError) -> web.Response:
    """The refusal as an answer."""
    return web.Response(status=error.status, body=error.body or None, headers=error.headers)
