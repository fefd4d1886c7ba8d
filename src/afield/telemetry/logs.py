"""Structured logs, free of secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from afield.config import LogFormat

HIDDEN = "[hidden]"

_SECRET_NAME = re.compile(
    r"(token|secret|passw(or)?d|passphrase|authorization|api_?key|credential_value|private_?key|cookie)s?$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"Atz[ar]\|[^\s\"',;&]+"  # access and refresh tokens of Login with Amazon
    r"|(?<=Bearer )[^\s\"',;]+|(?<=bearer )[^\s\"',;]+|(?<=Basic )[A-Za-z0-9+/=]{8,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JSON web tokens
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user and password of a URL
    r"|(?<=[?&](?i:sig)=)[^&\s\"']+|(?<=X-Amz-Signature=)[^&\s\"']+|(?<=X-Amz-Security-Token=)[^&\s\"']+"
)


def hide_text(text: str) -> str:
    """The text without what looks like a secret."""
    return _SECRET_VALUE.sub(HIDDEN, text)


def hide(value: object, name: str = "") -> object:
    """The value without what looks like a secret, by the name it goes by or by its form; goes into lists and dicts."""
    if name and value is not None and not isinstance(value, bool | int | float) and _SECRET_NAME.search(name):
        return HIDDEN
    match value:
        case str():
            return hide_text(value)
        case Mapping():
            return {key: hide(item, str(key)) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [hide(item) for item in value]
        case None | bool() | int() | float():
            return value
    return f"[{len(value)} bytes]" if isinstance(value, bytes) else hide_text(str(value))


def _hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: hide(value, key) for key, value in event.items()}


def set_up_logs(level: str = "INFO", form: LogFormat = LogFormat.JSON, stream: TextIO | None = None) -> None:
    """Log to `stream` (default: standard output), one line an event, the standard library's loggers included.

    `level`: the least severe that is logged. Call once, when a process starts.
    """
    out = stream or sys.stdout
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_shared(), processors=_last(form, out.isatty()))
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _last(form: LogFormat, colors: bool) -> list[Processor]:
    # Errors become text before secrets are hidden: a traceback can quote them.
    traceback = structlog.dev.plain_traceback
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=traceback)
        if form is LogFormat.CONSOLE
        else structlog.processors.JSONRenderer(serializer=_dumps)
    )
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return [remove, structlog.processors.format_exc_info, _hide_secrets, renderer]


def _dumps(event: object, **_options: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


@contextmanager
def log_context(**values: object) -> Iterator[None]:
    """While inside, every event of this task carries these, e.g. execution_id, target_id, session_id."""
    with structlog.contextvars.bound_contextvars(**{k: v for k, v in values.items() if v is not None}):
        yield
