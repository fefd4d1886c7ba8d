"""A writer on the simulator's model server, for tests of everything that asks a language model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel

from afield.provisioning.llm.opening import open_writer
from afield.provisioning.llm.port import T, Task, Writer
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.llm.usage import Usage
from afield_sim.testing import Simulator


def settings(sim: Simulator, **more: object) -> LlmSettings:
    """Of the simulator's model."""
    given = {"model": sim.llm.model, "base_url": sim.llm.base_url, "api_key": sim.llm.api_key, "seconds": 5, **more}
    return LlmSettings.model_validate(given)


@asynccontextmanager
async def writer(sim: Simulator, spent: Usage | None = None, **more: object) -> AsyncIterator[Writer]:
    """A writer with these settings."""
    async with open_writer(settings(sim, **more), spent) as opened:
        yield opened


class Scripted:
    """A writer that says what it was given, in turn; an error is raised. It checks like a real one, without retries."""

    def __init__(self, *answers: dict[str, object] | Exception) -> None:
        self.answers = list(answers)
        self.tasks: list[Task[BaseModel]] = []
        self.usage = Usage()

    async def complete(self, task: Task[T], output: type[T]) -> T:
        self.tasks.append(task)  # type: ignore[arg-type]
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        found = output.model_validate(answer)
        assert not task.objection(found)
        return found
