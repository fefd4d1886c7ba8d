"""pydantic-ai's errors in this package's words. Pure; quotes nothing of what the provider said."""

from __future__ import annotations

from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelTimeoutError,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)

from afield.provisioning.llm.errors import (
    WriterError,
    WriterLimitError,
    WriterMalformedError,
    WriterNotConfiguredError,
    WriterRefusedError,
    WriterThrottledError,
    WriterTooSlowError,
    WriterUnreachableError,
)

_SET_MODEL = "Check AFIELD_LLM_MODEL, AFIELD_LLM_BASE_URL and AFIELD_LLM_API_KEY."


def said_of(error: AgentRunError | UserError) -> WriterError:  # noqa: PLR0911 - one line for each kind
    """The error to raise instead."""
    match error:
        case UsageLimitExceeded():
            message = "The job has used up what it may ask of a language model."
            return WriterLimitError(message, hint="AFIELD_LLM_REQUESTS and its like set the limits.")
        case ContentFilterError():
            return WriterRefusedError("The language model would not answer.", hint="Reword the brief.")
        case UnexpectedModelBehavior():
            message = "The language model gave no answer of the form that was asked for, in all its attempts."
            return WriterMalformedError(message, hint="Take a stronger model, or another AFIELD_LLM_OUTPUT.")
        case ModelAuthenticationError() | ModelNotFoundError():
            what = "key" if isinstance(error, ModelAuthenticationError) else "model's name"
            return WriterNotConfiguredError(f"The provider does not accept the {what}.", hint=_SET_MODEL)
        case UserError():
            return WriterNotConfiguredError("The language model cannot be used as configured.", hint=_SET_MODEL)
        case ModelAPIError():
            return _of_the_provider(error)
    return WriterUnreachableError(f"The language model failed: {type(error).__name__}.")


def _of_the_provider(error: ModelAPIError) -> WriterError:
    match error:
        case ModelQuotaExceededError():
            message = "The provider's account has nothing left to be spent."
            return WriterThrottledError(message, hint="See to the account.", retry_after=error.retry_after)
        case ModelRateLimitError():
            return WriterThrottledError(
                "The provider takes no more requests now.", hint="Try again later.", retry_after=error.retry_after
            )
        case ModelTimeoutError() | ModelRequestTimeout():
            return WriterTooSlowError("The language model did not answer in time.", hint="Set AFIELD_LLM_SECONDS.")
        case ModelHTTPError():
            message = f"The provider answered with status {error.status_code}."
            return WriterUnreachableError(message, hint="Try again later." if error.status_code >= 500 else _SET_MODEL)
        case ModelConnectionError():
            message = "The provider could not be reached, or its answer did not end properly."
            return WriterUnreachableError(message, hint=_SET_MODEL)
    return WriterUnreachableError("The provider failed.", hint=_SET_MODEL)
