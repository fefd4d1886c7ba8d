"""What Piston answers when it, and not the adapter, holds the target port.

It runs without the privileges its isolation needs, so every execution ends in 500 with an empty body. Order and words
of its checks: Piston 3.1.1, observed.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from aiohttp import web

from .errors import SERVER

_VERSION = "3.1.1"
_EXECUTE, _RUNTIME_LIST, _PACKAGES = "/api/v2/execute", "/api/v2/runtimes", "/api/v2/packages"
_WRITING = {"POST", "PUT", "DELETE"}


@dataclass(frozen=True, slots=True)
class Runtime:
    """A language it has a package for."""

    language: str
    version: str
    aliases: tuple[str, ...]


_RUNTIMES = (Runtime("python", "3.12.0", ("py", "py3", "python3")), Runtime("bash", "5.2.0", ("sh",)))


async def answer(http: web.Request, path: str) -> web.Response:
    """Its answer to a request, `path` as the container sees it."""
    if http.method in _WRITING and not http.content_type.startswith("application/json"):
        return _respond(415, b"requests must be of type application/json", "text/html; charset=utf-8")
    if (http.method, path) == ("POST", _EXECUTE):
        return _execute(await http.read())
    if http.method == "GET" and path == "/":
        return _json(200, {"message": f"Piston v{_VERSION}"})
    if http.method == "GET" and path == _RUNTIME_LIST:
        return _json(200, [asdict(one) for one in _RUNTIMES])
    if http.method == "GET" and path == _PACKAGES:
        return _json(200, [_package(one) for one in _RUNTIMES])
    return _json(404, {"message": "Not Found"})


def _execute(content: bytes) -> web.Response:
    try:
        body = orjson.loads(content)
    except ValueError as error:
        return _json(400, {"stack": f"SyntaxError: {error}"})
    problem = problem_of(body if isinstance(body, dict) else {})
    if problem is not None:
        return _json(400, {"message": problem})
    return _respond(500, b"", "")


def problem_of(body: Mapping[str, Any]) -> str | None:
    """The first thing Piston finds wrong with the body of an execution."""
    for name in ("language", "version"):
        if not body.get(name) or not isinstance(body[name], str):
            return f"{name} is required as a string"
    files = body.get("files")
    if not isinstance(files, list):
        return "files is required as an array"
    for number, file in enumerate(files):
        if not isinstance(file, dict) or not isinstance(file.get("content"), str):
            return f"files[{number}].content is required as a string"
    if body["language"] not in {name for one in _RUNTIMES for name in (one.language, *one.aliases)}:
        return f"{body['language']}-{body['version']} runtime is unknown"
    with_text = any(file.get("encoding", "utf8") == "utf8" for file in files)
    return None if with_text else "files must include at least one utf8 encoded file"


def _package(runtime: Runtime) -> dict[str, object]:
    return {"language": runtime.language, "language_version": runtime.version, "installed": True}


def _json(status: int, body: object) -> web.Response:
    return _respond(status, orjson.dumps(body), "application/json; charset=utf-8")


def _respond(status: int, content: bytes, content_type: str) -> web.Response:
    headers = {"Server": SERVER, "X-Powered-By": "Express", **({"Content-Type": content_type} if content else {})}
    return web.Response(status=status, body=content, headers=headers)
