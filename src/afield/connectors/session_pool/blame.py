"""Who gave this answer? Told by what is in the answer alone. Pure, and total: no answer makes it fail.

For a custom pool everything behind the endpoint is passed on to the container, so the same 404 can come from the wrong
host, the platform, whatever program holds the port, or the adapter's own router. Status codes do not tell them apart;
bodies and headers do. Sources: recorded traffic of pools, Piston run locally, the adapter's own contract.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from afield.connectors.adapter.wire import ADAPTER_HEADER
from afield.connectors.session_pool.evidence import Answer, NoAnswer, Reply, Silence
from afield.model.jsontypes import JsonObject, JsonValue


class Speaker(StrEnum):
    """Who said it."""

    ADAPTER = "adapter"  # our own program in the container, its router included
    PISTON = "piston"  # Piston holds the target port
    OTHER_APP = "other_app"  # some other program in the container
    WRONG_KIND = "wrong_kind"  # the platform: this form of endpoint is not for this kind of pool
    CAPACITY = "capacity"  # the platform: no place left
    PLATFORM = "platform"  # the platform, with a code of its own
    IDENTITY = "identity"  # the platform: not this token, or not this role
    CONTAINER_DOWN = "container_down"  # the platform: nothing in the container answers
    TOO_SLOW = "too_slow"  # nobody, in time
    WRONG_HOST = "wrong_host"  # no pool is there: another host, or the pool was deleted
    NETWORK = "network"  # nobody: the way there is broken
    UNKNOWN = "unknown"  # the answer has a shape that is not known here


@dataclass(frozen=True, slots=True)
class Blame:
    """Who said it, and what in the answer shows that. `code` is the platform's, where it gave one."""

    speaker: Speaker
    because: str
    code: str = ""


_WRONG_KIND = "DynamicApisNotAllowed"
_PISTON_404: JsonValue = {"message": "Not Found"}
_PISTON_FRONT = re.compile(r"Piston v\d")
_NO_ROOM = re.compile(rb"allocating pod|maximum number of (?:concurrent )?sessions|no available session", re.IGNORECASE)
_NO_IDENTIFIER = re.compile(rb"Missing required parameter '?identifier", re.IGNORECASE)
_NO_SUCH_APP = re.compile(rb"Container App[^<]{0,40}(?:stopped|does not exist|unavailable)", re.IGNORECASE)
_NO_SUCH_POOL = re.compile(r"(?:pool|resource|environment)notfound", re.IGNORECASE)
_ABOUT_IDENTITY = re.compile(r"auth|forbid|token|audience|denied|permission", re.IGNORECASE)
_HTML = re.compile(rb"^\s*<", re.IGNORECASE)
_APP_SERVERS = re.compile(
    r"uvicorn|gunicorn|hypercorn|werkzeug|waitress|aiohttp|basehttp|tornado|nginx|apache|caddy", re.IGNORECASE
)
_PLATFORM_HEADERS = ("api-supported-versions", "operation-id", "x-ms-")

_SILENT = {
    Silence.NO_NAME: Speaker.WRONG_HOST,
    Silence.REFUSED: Speaker.NETWORK,
    Silence.TLS: Speaker.NETWORK,
    Silence.LOST: Speaker.NETWORK,
    Silence.TOO_LATE: Speaker.TOO_SLOW,
}


def blame(reply: Reply) -> Blame:
    """Who gave this answer to a request that was meant for the adapter. The adapter's own mark always wins."""
    if isinstance(reply, NoAnswer):
        return Blame(_SILENT[reply.silence], reply.text)
    for rule in _RULES:
        found = rule(reply)
        if found is not None:
            return found
    return Blame(Speaker.UNKNOWN, f"{said(reply)}: a shape that is not known here")


def platform_code(answer: Answer) -> str:
    """The platform's error code, from the body `{"error": {"code"}}` or the header `x-ms-error-code`."""
    error = answer.json_object().get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and code else answer.headers.get("x-ms-error-code", "")


def said(answer: Answer) -> str:
    """Status and beginning of an answer, on one line."""
    return f"{answer.status}: {answer.text(80)}" if answer.body.strip() else f"{answer.status} with an empty body"


# ---------------------------------------------------------------------------------- rules, the first that fits counts


def _adapter(answer: Answer) -> Blame | None:
    version = answer.headers.get(ADAPTER_HEADER)
    if version is not None:
        return Blame(Speaker.ADAPTER, f"the header {ADAPTER_HEADER} says version {version or 'not told'}")
    own = answer.json_object().get("adapter")
    if isinstance(own, str) and own.startswith("afield-sandbox/"):
        return Blame(Speaker.ADAPTER, f"the body is signed {own}, though its header was lost on the way")
    return None


def _wrong_kind(answer: Answer) -> Blame | None:
    if platform_code(answer) == "DynamicApisNotAllowed" or b"DynamicApisNotAllowed" in answer.body:
        return Blame(
            Speaker.WRONG_KIND, f"{answer.status} with the code DynamicApisNotAllowed", "DynamicApisNotAllowed"
        )
    return None


def _piston(answer: Answer) -> Blame | None:
    body = answer.json()
    if answer.status == 404 and body == _PISTON_404:
        return Blame(Speaker.PISTON, 'its 404 is exactly {"message":"Not Found"}')
    if isinstance(body, dict) and len(body) == 1 and _PISTON_FRONT.match(_text(body, "message")):
        return Blame(Speaker.PISTON, f"it says {_text(body, 'message')[:40]!r}")
    return None


def _full(answer: Answer) -> Blame | None:
    """The text is also seen with 5xx; the documentation has 404, field reports have 429."""
    if answer.status >= 400 and _NO_ROOM.search(answer.body):
        return Blame(Speaker.CAPACITY, f"{answer.status} with a text about allocating a session", platform_code(answer))
    if answer.status == 429 and not _of_an_app(answer):
        return Blame(Speaker.CAPACITY, said(answer), platform_code(answer))
    return None


def _refused(answer: Answer) -> Blame | None:
    if answer.status not in {401, 403} or _of_an_app(answer):
        return None
    code = platform_code(answer)
    if code and not _ABOUT_IDENTITY.search(code):
        return None
    return Blame(Speaker.IDENTITY, f"{answer.status} {code[:80]}" if code else said(answer), code[:80])


def _coded(answer: Answer) -> Blame | None:
    """The platform's own shape; applications write `error` as a text more often than as an object with a code."""
    code = platform_code(answer)
    if answer.status >= 400 and code and not _of_an_app(answer):
        return Blame(Speaker.PLATFORM, f"{answer.status} with the code {code[:80]}", code[:80])
    if answer.status == 400 and _NO_IDENTIFIER.search(answer.body):
        return Blame(Speaker.PLATFORM, said(answer), "MissingIdentifier")
    return None


def _down(answer: Answer) -> Blame | None:
    gateway = answer.status in {502, 503, 504} and not _powered(answer)
    return Blame(Speaker.CONTAINER_DOWN, said(answer)) if gateway else None


def _no_pool(answer: Answer) -> Blame | None:
    """No pool answers so: the front door of Container Apps, another web server, or a host that has nothing there."""
    if answer.status == 404 and _NO_SUCH_APP.search(answer.body):
        return Blame(Speaker.WRONG_HOST, "404 of the front door of Container Apps: no such app")
    if answer.status == 404 and _NO_SUCH_POOL.search(platform_code(answer)):
        return Blame(Speaker.WRONG_HOST, f"404 with the code {platform_code(answer)[:80]}", platform_code(answer)[:80])
    plain = not answer.body.strip() or _HTML.match(answer.body) is not None
    if answer.status == 404 and plain and not _through_the_platform(answer) and not _powered(answer):
        return Blame(Speaker.WRONG_HOST, f"{said(answer)}, without any header of the platform")
    return None


def _full_404(answer: Answer) -> Blame | None:
    """The documented answer of a pool that is full: a 404 of the platform itself. Programs write a body."""
    bare = answer.status == 404 and not answer.body.strip()
    if bare and _through_the_platform(answer) and not _of_an_app(answer):
        return Blame(Speaker.CAPACITY, f"{said(answer)}, from the platform itself: no program wrote it")
    return None


def _app(answer: Answer) -> Blame | None:
    """Somebody in the container wrote this, and it was not the adapter."""
    if _of_an_app(answer) or answer.ok or (isinstance(answer.json(), dict) and answer.status < 500):
        return Blame(Speaker.OTHER_APP, f"{said(answer)}, without the adapter's header")
    if answer.status in {404, 405} and answer.body.strip() and _through_the_platform(answer):
        return Blame(Speaker.OTHER_APP, f"{said(answer)}, without the adapter's header")
    return None


_RULES: tuple[Callable[[Answer], Blame | None], ...] = (
    _adapter,
    _wrong_kind,
    _piston,
    _full,
    _refused,
    _no_pool,
    _coded,
    _down,
    _full_404,
    _app,
)


# ---------------------------------------------------------------------------------- marks


def _of_an_app(answer: Answer) -> bool:
    """Whether a program's own server signed it. The platform is Kestrel, also on what it passes on."""
    return _powered(answer) or _APP_SERVERS.search(answer.headers.get("server", "")) is not None


def _powered(answer: Answer) -> bool:
    return "x-powered-by" in answer.headers


def _through_the_platform(answer: Answer) -> bool:
    if answer.headers.get("server", "").lower() == "kestrel":
        return True
    return any(name.startswith(_PLATFORM_HEADERS) for name in answer.headers)


def _text(body: JsonObject, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
