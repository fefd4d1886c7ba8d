"""The adapter as its callers meet it: a process of its own, spoken to over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

_START_SECONDS = 30.0
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Adapter:
    """One that listens."""

    process: subprocess.Popen[str]
    ready_file: Path
    ready: Json

    @property
    def url(self) -> str:
        return str(self.ready["url"])


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "afield_sandbox", *options]


@contextmanager
def adapter(folder: Path, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[Adapter]:
    """Started, and ended by SIGTERM, which it obeys with 0."""
    ready_file = folder / "ready.json"
    process = subprocess.Popen(
        command("--port", "0", "--ready-file", str(ready_file), *options),
        env={**os.environ, **(environment or {})},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Adapter(process, ready_file, _wait_for(ready_file, process))
        ended = process.poll()
        if ended is None:
            process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
        assert (process.returncode, said) == (0, "")
        assert not ready_file.exists()
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def _wait_for(ready_file: Path, process: subprocess.Popen[str]) -> Json:
    deadline = time.monotonic() + _START_SECONDS
    while not ready_file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it is not ready in time"
        time.sleep(0.01)
    ready: Json = orjson.loads(ready_file.read_bytes())
    return ready


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; every answer was checked to carry the adapter's mark."""

    status: int
    json: Any
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class Caller:
    """Speaks HTTP to one adapter."""

    def __init__(self, http: aiohttp.ClientSession, at: Adapter) -> None:
        self.http = http
        self._at = at

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> Answer:
        """`body` is sent as JSON, bytes as they are."""
        data = body if body is None or isinstance(body, bytes | aiohttp.FormData) else orjson.dumps(body)
        async with self.http.request(method, self._at.url + path, data=data, **more) as response:
            content = await response.read()
            assert response.headers["x-afield-adapter"] == self._at.ready["version"]
            assert response.headers["x-afield-boot"] == self._at.ready["boot_id"]
            parsed = orjson.loads(content) if content and response.content_type == "application/json" else None
            if response.status >= 400:
                assert parsed["adapter"] == f"afield-sandbox/{self._at.ready['version']}"
                assert set(parsed["error"]) == {"code", "message", "hint"}
            return Answer(response.status, parsed, response.headers, content)

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: object = None, **more: Any) -> Answer:
        return await self.ask("POST", path, body, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        return await self.ask("DELETE", path, **more)

    async def run(self, code: str, language: str = "python", **more: Any) -> Json:
        """The result of a run."""
        answer = await self.post("/runs", {"language": language, "files": [{"content": code}], **more})
        assert answer.status == 200, answer
        result: Json = answer.json["result"]
        return result


@asynccontextmanager
async def calling(at: Adapter) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as http:
        yield Caller(http, at)
