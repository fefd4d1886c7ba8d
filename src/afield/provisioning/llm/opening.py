"""From settings to a writer. The libraries behind it are imported only when there is a model, and in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from afield.provisioning.llm.errors import WriterNotConfiguredError
from afield.provisioning.llm.port import Writer
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.llm.usage import Usage


@asynccontextmanager
async def open_writer(settings: LlmSettings, spent: Usage | None = None) -> AsyncIterator[Writer]:
    """A writer while the context is open. `spent`: what the job has used before; it counts against the limits.

    Raises WriterNotConfiguredError.
    """
    if not settings.configured:
        raise WriterNotConfiguredError("There is no language model.", hint="Set AFIELD_LLM_MODEL.")
    async with await asyncio.to_thread(_made, settings, spent or Usage()) as writer:
        yield writer


def _made(settings: LlmSettings, spent: Usage) -> AbstractAsyncContextManager[Writer]:
    """Blocks: the import takes a second or more, and certificates are read."""
    try:
        from afield.provisioning.llm.pydantic_ai_writer import PydanticAiWriter  # noqa: PLC0415 - heavy
    except ImportError as error:
        hint = "pip install 'afield[llm]'"
        raise WriterNotConfiguredError(
            f"Language models need {error.name}, which is not installed.", hint=hint
        ) from None
    return PydanticAiWriter.of(settings, spent)
