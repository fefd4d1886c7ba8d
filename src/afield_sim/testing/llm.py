"""The language model from a test's side: how to reach it, and its part of the admin service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .caller import AdminCaller, Json


@dataclass(frozen=True, slots=True)
class LlmAccess:
    """How to reach the model: the `llm` entry of the ready file."""

    base_url: str
    api_key: str
    model: str


def read_llm_access(ready: Mapping[str, Any]) -> LlmAccess:
    """The access to the model out of a ready file's content."""
    return LlmAccess(**ready["llm"])


class LlmAdmin(AdminCaller):
    """A client of the admin service, for everything about the model."""

    async def tell(self, *answers: Mapping[str, object]) -> Json:
        """Add answers to the queue, such as {"kind": "said", "value": {...}, "when": {"contains": "..."}}."""
        return await self.call("POST", "/admin/llm/answers", {"answers": list(answers)})

    async def forget(self) -> Json:
        """Take back all answers that were not given yet."""
        return await self.call("DELETE", "/admin/llm/answers")

    async def put_settings(self, **settings: object) -> Json:
        """Change `check_key` or `models`."""
        return await self.call("PUT", "/admin/llm/settings", settings)

    async def requests(self) -> list[Json]:
        """The last requests as they came, oldest first."""
        found: list[Json] = (await self.call("GET", "/admin/llm/requests"))["requests"]
        return found

    async def counters(self) -> Json:
        """`requests` by model, `answers` by kind, `tokens`, and how many answers are `open`."""
        return await self.call("GET", "/admin/llm/counters")

    async def reset(self) -> None:
        """Forget answers, requests, counts and settings."""
        await self.call("POST", "/admin/llm/reset")

    async def wait(self, kind: str | None = None, **query: object) -> int:
        """Wait for `at_least` answers of a kind; the count reached. AssertionError when they do not come."""
        found = await self.call("GET", "/admin/llm/wait", kind=kind, **query)
        if not found["met"]:
            raise AssertionError(f"waited for answers {kind or ''} {query}, there were {found['count']}")
        return int(found["count"])
