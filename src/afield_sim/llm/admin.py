"""The admin routes of the model; they need no credentials."""

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from ..admin.answering import Handler, answering, read_body, read_object
from ..pulse import Pulse
from .answers import Answer
from .script import LlmSettings, Script


class Answers(BaseModel):
    """Answers to be given, in this order."""

    model_config = ConfigDict(extra="forbid")

    answers: list[Answer]


class LlmWait(BaseModel):
    """What to wait for: so many answers of a kind or of any; with `closed`, also that none is under way."""

    model_config = ConfigDict(extra="forbid")

    kind: str | None = None
    at_least: int = Field(default=1, ge=0)
    closed: bool = False
    timeout: float = Field(default=10, ge=0, le=60)


class LlmAdmin:
    """Everything under `/admin/llm`."""

    def __init__(self, script: Script, pulse: Pulse) -> None:
        self._script = script
        self._pulse = pulse

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/answers", self.answers),
            ("POST", "/answers", self.tell),
            ("DELETE", "/answers", self.forget),
            ("GET", "/requests", self.requests),
            ("GET", "/counters", self.counters),
            ("GET", "/settings", self.settings),
            ("PUT", "/settings", self.put_settings),
            ("GET", "/wait", self.wait),
            ("POST", "/reset", self.reset),
        ]
        for method, path, handler in routes:
            router.add_route(method, "/admin/llm" + path, answering(handler))

    async def answers(self, _: web.Request) -> object:
        """What is still to be answered."""
        return {"answers": [one.model_dump(exclude_none=True) for one in self._script.queue]}

    async def tell(self, http: web.Request) -> object:
        """Add answers to the end of the queue."""
        self._script.tell(Answers.model_validate(await read_body(http)).answers)
        return await self.answers(http)

    async def forget(self, http: web.Request) -> object:
        """Only good answers from now on."""
        self._script.queue.clear()
        return await self.answers(http)

    async def requests(self, _: web.Request) -> object:
        """The last requests as they came, oldest first."""
        return {"requests": list(self._script.asked)}

    async def counters(self, _: web.Request) -> object:
        """All counts."""
        return self._script.counters()

    async def settings(self, _: web.Request) -> object:
        """How the server is."""
        return self._script.settings.model_dump()

    async def put_settings(self, http: web.Request) -> object:
        """Change what is named."""
        changed = {**self._script.settings.model_dump(), **await read_object(http)}
        self._script.settings = LlmSettings.model_validate(changed)
        return await self.settings(http)

    async def wait(self, http: web.Request) -> object:
        """Answer as soon as what is asked for holds, or when the time is over."""
        query, script = LlmWait.model_validate(dict(http.query)), self._script

        def there() -> bool:
            return script.total(query.kind) >= query.at_least and not (query.closed and script.open)

        met = await self._pulse.until(there, query.timeout)
        return {"met": met, "count": script.total(query.kind)}

    async def reset(self, _: web.Request) -> object:
        """Forget answers, requests, counts and settings."""
        self._script.reset()
        self._script.settings = LlmSettings()
        return {}
