"""The edge of the service: what happens around every call, faults included.

A call is counted, let in by its token, checked for its api-version, budgets, rights and machine, handled, and
struck by the faults that come after the work.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeVar
from uuid import uuid4

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from ..entra.tokens import MANAGEMENT, Claims, TokenProblem, Tokens
from . import errors
from .calls import RULES, Call
from .cloud import SUBSCRIPTION_ID, Cloud
from .errors import ArmError
from .faults import VmFaults
from .machine import Machine
from .throttle import SUBSCRIPTION

PREFIX = "/arm"

AnyBody = TypeVar("AnyBody", bound=BaseModel)


@dataclass(slots=True)
class Reply:
    """What a handler answers: a JSON body or none, its status, its headers."""

    body: object = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A call that was let in."""

    http: web.Request
    call: Call
    faults: VmFaults
    vm: Machine | None

    @property
    def machine(self) -> Machine:
        """The machine the path names."""
        assert self.vm is not None
        return self.vm

    @property
    def base_url(self) -> str:
        """Where the caller reached the service, with the path prefix."""
        return f"{self.http.url.origin()}{PREFIX}"

    @property
    def api_version(self) -> str:
        """The api-version asked for."""
        return self.http.query["api-version"]

    @property
    def expand(self) -> bool:
        """Whether the instance view is wanted too."""
        return self.http.query.get("$expand", "").lower() == "instanceview"

    def part(self, name: str) -> str:
        """A piece of the path."""
        return self.http.match_info[name]

    async def read(self, model: type[AnyBody]) -> AnyBody:
        """The body; ArmError 400 when it is not what it should be."""
        try:
            return model.model_validate(orjson.loads(await self.http.read() or b"{}"))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                text = f"Could not find member '{path.rpartition('.')[2]}' on object of type 'Object'. Path '{path}'."
                raise errors.bad_request(text) from None
            raise errors.bad_request(f"{first['msg']}. Path '{path}'.") from None
        except ValueError:
            raise errors.bad_request("The request content was invalid and could not be deserialized.") from None


Handler = Callable[[Request], Awaitable[Reply]]
HttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ConnectionCutError(Exception):
    """Nothing is answered: the connection is to be cut."""


def anycase(path: str) -> str:
    """A route's path that matches its fixed words in any case; `{names}` stay names."""
    words = enumerate(path.split("/"))
    return "/".join(f"{{_{n}:(?i:{re.escape(word)})}}" if word and word[0] != "{" else word for n, word in words)


class Gate:
    """Makes HTTP handlers out of handlers that know nothing of tokens, budgets and faults."""

    def __init__(self, cloud: Cloud, tokens: Tokens) -> None:
        self._cloud = cloud
        self._tokens = tokens
        self._strikes = cloud.faults.strikes

    def add(self, router: web.UrlDispatcher, method: str, path: str, call: Call, handler: Handler) -> None:
        """Add a route under the service's prefix, its path in any case."""
        self.add_plain(router, method, path, self.guard(call, handler))

    def add_plain(self, router: web.UrlDispatcher, method: str, path: str, handler: HttpHandler) -> None:
        """The same for a handler that is guarded already."""
        router.add_route(method, PREFIX + anycase(path), handler)

    def guard(self, call: Call, handler: Handler) -> HttpHandler:
        """The HTTP handler for one kind of call."""

        async def handle(http: web.Request) -> web.StreamResponse:
            cloud = self._cloud
            name = self._vm_name(http)
            cloud.counters.calls[name or "account"][str(call)] += 1
            headers: dict[str, str] = {}
            try:
                reply = await self._answer(call, http, handler, cloud.faults.of(name), headers)
            except ArmError as error:
                reply = Reply(error.body, error.status, error.headers)
            except ConnectionCutError:
                return cut_connection(http)
            finally:
                cloud.pulse.beat()
            return respond(reply, headers)

        return handle

    async def _answer(
        self, call: Call, http: web.Request, handler: Handler, faults: VmFaults, headers: dict[str, str]
    ) -> Reply:
        await self._pause(faults, call, accepted=False)
        if self._strikes(faults.reply_lost_before, call):
            raise ConnectionCutError
        self._let_in(http, call, faults)
        if self._strikes(faults.unavailable_once, call):
            raise errors.unavailable()
        headers.update(self._spend_traffic(call))
        self._check_rights(http, call, faults)
        machine = self._machine(http)
        if faults.throttled and self._strikes(faults.throttled, call):
            group = RULES[call].group or "Requests"
            raise errors.too_many_requests(group, faults.throttled.seconds, self._cloud.clock.now())
        headers.update(self._spend_group(call, http))
        reply = await handler(Request(http, call, faults, machine))
        await self._pause(faults, call, accepted=True)
        if self._strikes(faults.reply_lost, call):
            raise ConnectionCutError
        return reply

    async def _pause(self, faults: VmFaults, call: Call, *, accepted: bool) -> None:
        slow = faults.slow_reply
        if slow and slow.accepted is accepted and self._strikes(slow, call):
            self._cloud.pulse.beat()
            await asyncio.sleep(slow.seconds)

    def _let_in(self, http: web.Request, call: Call, faults: VmFaults) -> None:
        now = self._cloud.clock.now()
        if self._strikes(faults.token_expired, call):
            raise errors.expired_token(now - 60, now)
        authorization = http.headers.get("Authorization")
        problem = self._tokens.check(authorization, MANAGEMENT)
        if problem is not None:
            raise refusal(problem, self._tokens.claims_of(authorization), now)
        if not http.query.get("api-version"):
            raise errors.api_version_missing()
        subscription = http.match_info.get("subscription", SUBSCRIPTION_ID)
        if subscription.lower() != SUBSCRIPTION_ID:
            raise errors.subscription_not_found(subscription)

    def _check_rights(self, http: web.Request, call: Call, faults: VmFaults) -> None:
        action = RULES[call].action
        if action and faults.forbidden and matches(action, faults.forbidden.actions):
            claims = self._tokens.claims_of(http.headers.get("Authorization"))
            assert claims is not None
            raise errors.forbidden(claims.appid, claims.oid, action, http.path.removeprefix(PREFIX))

    def _machine(self, http: web.Request) -> Machine | None:
        group, name = http.match_info.get("group"), http.match_info.get("vm")
        if group is None or name is None:
            return None
        return self._cloud.find(group, name)

    def _vm_name(self, http: web.Request) -> str | None:
        """The machine a call is about, in its own spelling: by the path, or by the operation it polls."""
        name = http.match_info.get("vm")
        operation = self._cloud.operations.get(http.match_info.get("operation", ""))
        if operation is not None:
            return operation.vm.name
        machine = self._cloud.named(name) if name else None
        return machine.vm.name if machine else name

    def _spend_traffic(self, call: Call) -> dict[str, str]:
        cloud, traffic = self._cloud, RULES[call].traffic
        verdict = cloud.throttle.spend_traffic(traffic, cloud.clock.now())
        if not verdict.allowed and cloud.settings.enforce_limits:
            raise errors.too_much_traffic(traffic, verdict.retry_after)
        return {f"x-ms-ratelimit-remaining-subscription-{traffic}": str(verdict.left[SUBSCRIPTION])}

    def _spend_group(self, call: Call, http: web.Request) -> dict[str, str]:
        cloud, group = self._cloud, RULES[call].group
        if group is None:
            return {}
        verdict = cloud.throttle.spend_group(group, self._vm_name(http), cloud.clock.now())
        if not verdict.allowed and cloud.settings.enforce_limits:
            raise errors.too_many_requests(group, verdict.retry_after, cloud.clock.now())
        spans = zip(("3Min", "30Min"), verdict.left.values(), strict=False)
        left = ",".join(f"Microsoft.Compute/{group}{span};{count}" for span, count in spans)
        return {"x-ms-ratelimit-remaining-resource": left}


def matches(action: str, patterns: list[str]) -> bool:
    """Whether one of the patterns covers an action, in any case."""
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def refusal(problem: TokenProblem, claims: Claims | None, now: float) -> ArmError:
    """The 401 for what is wrong with a token."""
    if claims is None:
        return errors.invalid_token() if problem is TokenProblem.INVALID else errors.authentication_failed()
    if problem is TokenProblem.EXPIRED:
        return errors.expired_token(claims.exp, now)
    return errors.wrong_audience(claims.aud)


def respond(reply: Reply, headers: dict[str, str]) -> web.Response:
    """An answer with the headers every answer has; JSON comes indented, with CRLF."""
    request_id = str(uuid4())
    common = {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "Expires": "-1",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "x-ms-request-id": request_id,
        "x-ms-correlation-request-id": request_id,
        "x-ms-routing-request-id": f"WESTEUROPE:{request_id}",
    }
    everything = {**common, **headers, **reply.headers}
    if reply.body is None:
        return web.Response(status=reply.status, headers=everything)
    body = orjson.dumps(reply.body, option=orjson.OPT_INDENT_2).replace(b"\n", b"\r\n")
    everything["Content-Type"] = "application/json; charset=utf-8"
    return web.Response(body=body, status=reply.status, headers=everything)


def cut_connection(http: web.Request) -> web.Response:
    """Cut the caller's connection; the response returned is never seen."""
    if http.transport is not None:
        http.transport.abort()
    return web.Response(status=500)
