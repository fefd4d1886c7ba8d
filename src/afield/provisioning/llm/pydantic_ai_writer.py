"""The writer on pydantic-ai: any provider it knows, and every OpenAI-compatible server. Nothing else imports it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import httpx2
import structlog
from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, ToolOutput, UsageLimits
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import OutputSpec
from pydantic_ai.providers import Provider, infer_provider, infer_provider_class
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RunUsage

from afield.provisioning.llm.errors import (
    WriterLimitError,
    WriterNotConfiguredError,
    WriterTooSlowError,
    WriterUnreachableError,
)
from afield.provisioning.llm.port import T, Task
from afield.provisioning.llm.pydantic_ai_errors import said_of
from afield.provisioning.llm.settings import LlmSettings, OutputMode
from afield.provisioning.llm.usage import Usage, priced

MOST_BYTES = 2_000_000
"""Of one answer on the wire. A longer one is cut off: it can be no answer to a task."""
_SDK_RETRIES = 1  # of requests that were throttled or failed, with the pause that the server asks for
_MOST_TOKENS = 4000  # of one answer
_TALKATIVE = ("openai", "httpx", "httpx2")  # at DEBUG they log prompts, and at INFO addresses
_log = structlog.get_logger(__name__)


class PydanticAiWriter:
    """A `Writer`. It does one task at a time, so that the limits hold."""

    def __init__(self, model: Model, settings: LlmSettings, spent: Usage, client: httpx2.AsyncClient | None) -> None:
        self._model = model
        self._settings = settings
        self._usage = spent
        self._before = spent
        self._client = client
        self._busy = asyncio.Lock()

    @classmethod
    def of(cls, settings: LlmSettings, spent: Usage) -> PydanticAiWriter:
        """A writer for these settings. Raises WriterNotConfiguredError."""
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            if settings.base_url:
                client = httpx2.AsyncClient(transport=_Bounded(), timeout=settings.seconds)
                return cls(_served(settings, client), settings, spent, client)
            return cls(infer_model(settings.model, _provider(settings)), settings, spent, None)
        except (UserError, ImportError, ValueError, TypeError) as error:
            raise WriterNotConfiguredError(
                f"The language model {settings.model!r} cannot be used: {type(error).__name__}.",
                hint="AFIELD_LLM_MODEL is `provider:name`, or a name with AFIELD_LLM_BASE_URL; a key may be missing.",
            ) from None

    @property
    def usage(self) -> Usage:
        """Of this writer, without what was spent before."""
        return self._usage - self._before

    async def __aenter__(self) -> Self:
        await self._model.__aenter__()
        return self

    async def __aexit__(self, *problem: Any) -> None:
        """Close the connections."""
        await self._model.__aexit__(*problem)
        if self._client:
            await self._client.aclose()

    async def complete(self, task: Task[T], output: type[T]) -> T:
        """Do a task. Raises WriterError."""
        async with self._busy:
            self._check_limits()
            return await self._done(task, output)

    async def _done(self, task: Task[T], output: type[T]) -> T:
        used, started = RunUsage(), time.monotonic()
        outcome = "failed"
        try:
            async with asyncio.timeout(self._settings.seconds):
                answer = await self._run(task, output, used)
            outcome = "done"
        except TimeoutError:
            raise WriterTooSlowError(
                f"The language model took longer than {self._settings.seconds:g} s.",
                hint="Set AFIELD_LLM_SECONDS, or take a faster model.",
            ) from None
        except (AgentRunError, UserError) as error:
            # Without the cause: the provider's words are in it, and they may quote the key or the prompt.
            raise said_of(error) from None
        except Exception as error:  # noqa: BLE001 - providers' libraries raise what they like, and no demo is to fail for it
            raise WriterUnreachableError(f"The language model failed: {type(error).__name__}.") from None
        finally:
            self._usage += priced(used.requests, used.input_tokens, used.output_tokens, self._settings)
            _log.info(
                "llm.task", task=task.kind.value, model=self._settings.model, outcome=outcome, requests=used.requests,
                input_count=used.input_tokens, output_count=used.output_tokens,
                seconds=round(time.monotonic() - started, 3),
            )  # fmt: skip
        return answer

    async def _run(self, task: Task[T], output: type[T], used: RunUsage) -> T:
        agent: Agent[None, T] = Agent(
            self._model,
            output_type=_asked_as(self._settings.output, output),
            instructions=task.instructions,
            retries=self._settings.retries,
            model_settings=ModelSettings(
                max_tokens=_MOST_TOKENS, max_retries=_SDK_RETRIES, timeout=self._settings.seconds
            ),
        )

        @agent.output_validator
        def _checked(answer: T) -> T:
            objection = task.objection(answer)
            if objection:
                raise ModelRetry(objection)
            return answer

        found = await agent.run(task.material, usage=used, usage_limits=self._left())
        return found.output

    def _check_limits(self) -> None:
        done, may = self._usage, self._settings
        over = (
            (done.requests >= may.requests, f"{may.requests} answers"),
            (done.input_tokens >= may.input_tokens, f"{may.input_tokens} tokens sent"),
            (done.output_tokens >= may.output_tokens, f"{may.output_tokens} tokens answered"),
        )
        for reached, what in over:
            if reached:
                message = f"The job has used up what it may ask of a language model: {what}."
                raise WriterLimitError(message, hint="AFIELD_LLM_REQUESTS and its like set the limits.")

    def _left(self) -> UsageLimits:
        return UsageLimits(
            request_limit=self._settings.requests - self._usage.requests,
            input_tokens_limit=self._settings.input_tokens - self._usage.input_tokens,
            output_tokens_limit=self._settings.output_tokens - self._usage.output_tokens,
        )


class _Bounded(httpx2.AsyncHTTPTransport):
    """Ends answers that do not end."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Counted(response.stream)
        return response


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream
        self._bytes = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._bytes += len(part)
            if self._bytes > MOST_BYTES:
                raise httpx2.ReadError("the answer does not end")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


def _served(settings: LlmSettings, client: httpx2.AsyncClient) -> Model:
    """The model of an OpenAI-compatible server."""
    key = settings.api_key.get_secret_value() or None
    provider = OpenAICompatibleProvider(
        "openai-compatible", base_url=settings.base_url, api_key=key, http_client=client
    )
    return OpenAIChatModel(settings.model.removeprefix("openai:"), provider=provider)


def _provider(settings: LlmSettings) -> Callable[[str], Provider[Any]]:
    def made(name: str) -> Provider[Any]:
        key = settings.api_key.get_secret_value()
        if not key:
            return infer_provider(name)
        kind = infer_provider_class(name)
        return kind(api_key=key)  # type: ignore[call-arg]

    return made


def _asked_as(mode: OutputMode, output: type[T]) -> OutputSpec[T]:
    match mode:
        case OutputMode.TOOL:
            return ToolOutput(output, name="answer", description="Give the answer.")
        case OutputMode.NATIVE:
            return NativeOutput(output, name="answer")
        case OutputMode.PROMPTED:
            return PromptedOutput(output, name="answer")
