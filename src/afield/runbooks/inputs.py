"""The values a runbook is started with: checked against what it declares, and how scripts get them. Pure."""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonValue
from afield.runbooks.model import Input, InputType, Runbook, Scalar

PREFIX = "INPUT_"
MOST_CHARS = 8_192
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}")
_PROGRAMS_READ_IT = re.compile(r".*_proxy|auto_resume|histchars")


class WrongValueError(ValueError):
    """A value does not fit its input. The text says why."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A value for every declared input. None: not given, and no default."""

    values: Mapping[str, Scalar | None]

    def text(self, name: str) -> str:
        """The value as text; empty if there is none. Raises InvalidInputError for an undeclared name."""
        if name not in self.values:
            raise InvalidInputError(f"{name!r} is not an input of this runbook.", hint="Declare it under `inputs`.")
        return text_of(self.values[name])

    @property
    def env(self) -> dict[str, str]:
        """What every script of the session gets: `INPUT_NAME`, and the plain `name`."""
        prefixed = {env_name(name): self.text(name) for name in self.values}
        plain = {name: self.text(name) for name in self.values if not _PROGRAMS_READ_IT.fullmatch(name)}
        return prefixed | plain


def bind(runbook: Runbook, given: Mapping[str, JsonValue]) -> Bound:
    """A value for each input: the one given, else its default. Texts are accepted for numbers and booleans.

    Raises InvalidInputError that names everything wrong at once.
    """
    declared = {each.name: each for each in runbook.inputs}
    wrong = [f"{name}: this runbook has no such input" for name in given if name not in declared]
    values: dict[str, Scalar | None] = {}
    for name, each in declared.items():
        try:
            values[name] = _bound(each, given.get(name))
        except WrongValueError as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        known = ", ".join(f"{each.name} ({each.type})" for each in runbook.inputs) or "none"
        raise InvalidInputError(f"The inputs do not fit: {'; '.join(wrong)}.", hint=f"Inputs of this runbook: {known}.")
    return Bound(values)


def check(declared: Input, value: JsonValue) -> Scalar:
    """The value in the input's type. Raises WrongValueError."""
    checked = _TYPES[declared.type](value)
    text = text_of(checked)
    if declared.choices and text not in [text_of(choice) for choice in declared.choices]:
        raise WrongValueError(f"must be one of {', '.join(text_of(choice) for choice in declared.choices)}")
    if declared.pattern is not None and not re.fullmatch(declared.pattern, text):
        raise WrongValueError(f"must match {declared.pattern}")
    return checked


def env_name(name: str) -> str:
    """The environment variable that carries an input."""
    return PREFIX + name.upper()


def text_of(value: Scalar | None) -> str:
    """A value as scripts see it: `true`, `42`, `1.5`; nothing as nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _bound(declared: Input, given: JsonValue) -> Scalar | None:
    value = declared.default if given is None else given
    if value is None and declared.required:
        raise WrongValueError("is required")
    return None if value is None else check(declared, value)


def _string(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise WrongValueError(f"must be text, not {_kind(value)}")
    if len(value) > MOST_CHARS:
        raise WrongValueError(f"must have at most {MOST_CHARS} characters")
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise WrongValueError("must not hold a NUL or half a character")
    return value


def _integer(value: JsonValue) -> int:
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value) and value.isascii():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**18:
        raise WrongValueError(f"must be a whole number, not {_kind(value)}")
    return value


def _number(value: JsonValue) -> int | float:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise WrongValueError("must be a number, not text") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise WrongValueError(f"must be a number, not {_kind(value)}")
    return value


def _boolean(value: JsonValue) -> bool:
    if value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        raise WrongValueError(f"must be true or false, not {_kind(value)}")
    return value


def _scalar(value: JsonValue) -> Scalar:
    if isinstance(value, str):
        return _string(value)
    if value is None or isinstance(value, list | dict):
        raise WrongValueError(f"must be one of the choices, not {_kind(value)}")
    return value


def _hostname(value: JsonValue) -> str:
    text = _string(value)
    if not _HOSTNAME.fullmatch(text):
        raise WrongValueError("must be a host name or an IPv4 address")
    return text


def _path(value: JsonValue) -> str:
    text = _string(value)
    if not posixpath.isabs(text) or ".." in text.split("/") or not text.isprintable():
        raise WrongValueError("must be an absolute path without `..` and without control characters")
    return text


def _kind(value: JsonValue) -> str:
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    return {str: "text", int: "this number", float: "this number", list: "a list"}.get(type(value), "a mapping")


_TYPES: Mapping[InputType, Callable[[JsonValue], Scalar]] = {
    InputType.STRING: _string,
    InputType.INTEGER: _integer,
    InputType.NUMBER: _number,
    InputType.BOOLEAN: _boolean,
    InputType.ENUM: _scalar,
    InputType.HOSTNAME: _hostname,
    InputType.PATH: _path,
}
