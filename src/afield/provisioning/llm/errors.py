"""What can go wrong with a language model. None of these messages quotes what a provider said: it may hold secrets."""

from __future__ import annotations

from afield.errors import AfieldError


class WriterError(AfieldError):
    """A task of a language model was not done."""

    code = "llm"
    status = 502


class WriterNotConfiguredError(WriterError):
    """There is no language model, or what is configured cannot be used."""

    code = "llm_not_configured"
    status = 503


class WriterRefusedError(WriterError):
    """The model or its provider's filter would not answer."""

    code = "llm_refused"


class WriterMalformedError(WriterError):
    """No answer, after all attempts, had the form or the content that was asked for."""

    code = "llm_malformed"


class WriterThrottledError(WriterError):
    """The provider takes no more requests now. `retry_after`: seconds, where it says so."""

    code = "llm_throttled"
    status = 503

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class WriterTooSlowError(WriterError):
    """The answer did not come in the time one task may take."""

    code = "llm_too_slow"
    status = 504


class WriterLimitError(WriterError):
    """The job has used up what it may ask of a language model."""

    code = "llm_limit"
    status = 429


class WriterUnreachableError(WriterError):
    """The provider cannot be reached, or failed."""

    code = "llm_unreachable"
