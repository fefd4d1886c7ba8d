"""Whether code really runs here: a small program in each language, run not long ago."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Final

from aiohttp import web

from afield_sandbox.adapter.answers import answer
from afield_sandbox.adapter.clock import Clock, rfc3339
from afield_sandbox.adapter.identity import Identity
from afield_sandbox.adapter.programs import Programs
from afield_sandbox.adapter.submissions import Order
from afield_sandbox.errors import SandboxError
from afield_sandbox.jail import LocalJail
from afield_sandbox.languages import Language
from afield_sandbox.model import Limits, Submission

_WORD: Final = b"ready"
_LIMITS: Final = Limits(wall_s=20.0, cpu_s=20.0, memory_bytes=512 * 1024 * 1024)
_SNIPPETS: Final[Mapping[str, str]] = {
    "python": "print('ready')",
    "javascript": "console.log('ready')",
    "bash": "echo ready",
    "c": '#include <stdio.h>\nint main(void) { puts("ready"); }',
    "c++": '#include <cstdio>\nint main() { std::puts("ready"); }',
    "java": 'public class Main { public static void main(String[] a) { System.out.println("ready"); } }',
    "go": 'package main\nimport "os"\nfunc main() { os.Stdout.WriteString("ready\\n") }',
    "rust": 'fn main() { println!("ready"); }',
}


class Readiness:
    """Looks again when the last look is older than `interval_s`; callers who come meanwhile wait for the same look."""

    def __init__(self, jail: LocalJail, clock: Clock, identity: Identity, *, interval_s: float) -> None:
        self._jail = jail
        self._programs = Programs(jail)
        self._clock = clock
        self._identity = identity
        self._interval = interval_s
        self._looking = asyncio.Lock()
        self._looked = 0.0
        self._languages: dict[str, dict[str, object]] = {}
        self.also: Callable[[], Awaitable[bool]] | None = None  # what has to work beside the languages
        self._works = True

    async def show(self, request: web.BaseRequest, groups: Mapping[str, str]) -> web.Response:
        """GET /ready: 200, or 503 when a language does not work."""
        async with self._looking:
            if not self._languages or time.monotonic() - self._looked > self._interval:
                checked = [await self._check(language) for language in self._jail.languages()]
                self._languages = {str(state.pop("name")): state for state in checked}
                self._works = self.also is None or await self.also()
                self._looked = time.monotonic()
        ready = self._works and all(state["ok"] for state in self._languages.values())
        return answer(self._describe(ready), 200 if ready else 503)

    def _describe(self, ready: bool) -> dict[str, object]:
        return {
            "ready": ready,
            "version": self._identity.version,
            "boot_id": self._identity.boot_id,
            "protections": protections_of(self._jail),
            "languages": self._languages,
            "sessions": self._works,
        }

    async def _check(self, language: Language) -> dict[str, object]:
        submission = Submission.of(language.name, _SNIPPETS[language.name], limits=_LIMITS)
        began, moment = time.monotonic(), self._clock.now()
        try:
            program = await self._programs.program(Order.of(None, submission, language))
            outcome = await self._jail.run(program)
            ok, message = outcome.ok and outcome.stdout.strip() == _WORD, outcome.message
        except SandboxError as problem:
            ok, message = False, str(problem)
        return _state(language, moment, ok=ok, message=message, seconds=time.monotonic() - began)


def _state(language: Language, moment: datetime, *, ok: bool, message: str, seconds: float) -> dict[str, object]:
    state = {"name": language.name, "version": language.version, "ok": ok, "checked_at": rfc3339(moment)}
    return state | {"ms": round(seconds * 1000, 1)} | ({} if ok else {"message": message or "another output"})


def protections_of(jail: LocalJail) -> dict[str, object]:
    """What this host allows, and the level in use."""
    found = jail.probe()
    return {"level": found.level.name.lower(), **asdict(found)}
