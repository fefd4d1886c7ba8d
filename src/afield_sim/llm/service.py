"""The service `llm` of the simulator."""

import hashlib
from collections.abc import Mapping

from aiohttp import web

from ..clock import Clock
from ..pulse import Pulse
from .admin import LlmAdmin
from .script import Script
from .serving import Serving


class LlmService:
    """A language model's server; the same seed has the same key."""

    name = "llm"

    def __init__(self, seed: int, clock: Clock) -> None:
        self._key = f"sim-key-{hashlib.sha256(f'llm {seed}'.encode()).hexdigest()[:32]}"
        self._script, self._pulse = Script(), Pulse()
        self._serving = Serving(self._script, clock, self._pulse, self._key)

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        self._serving.mount(app.router)
        LlmAdmin(self._script, self._pulse).mount(app.router)

    def describe(self, base_url: str) -> Mapping[str, object]:
        """What a client of the model needs."""
        return {"base_url": f"{base_url}/llm/v1", "api_key": self._key, "model": self._script.settings.models[0]}

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""
