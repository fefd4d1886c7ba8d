"""What all connectors that run code have in common: what a submission is, and what is kept of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints

from afield.connectors.base import StrictModel
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject

KEPT_BYTES = 64 * 1024
"""How much of the start of each stream is kept beside the execution; what is longer is an artifact."""

MOST_FILES = 100
MOST_CODE_BYTES = 4 * 1024 * 1024

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{4,128}$")]


class Verdict(StrEnum):
    """What became of a run of code."""

    OK = "ok"
    RUNTIME_ERROR = "runtime_error"
    SIGNAL = "signal"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    COMPILE_ERROR = "compile_error"
    INTERNAL_ERROR = "internal_error"


class Encoding(StrEnum):
    """How a file's content is written in a submission."""

    UTF8 = "utf8"
    BASE64 = "base64"
    HEX = "hex"


class CodeFile(StrictModel):
    """A file of a submission; without a name it gets the usual one of the language."""

    name: str = Field(default="", max_length=1024)
    content: str
    encoding: Encoding = Encoding.UTF8


class CodeLimits(StrictModel):
    """What a run may use; what is not given is the pool's default. Seconds and bytes."""

    wall_s: float | None = Field(default=None, gt=0, le=3600)
    cpu_s: float | None = Field(default=None, gt=0, le=3600)
    memory_bytes: int | None = Field(default=None, ge=16 * 1024 * 1024)
    processes: int | None = Field(default=None, ge=1, le=4096)
    open_files: int | None = Field(default=None, ge=16, le=65536)
    file_bytes: int | None = Field(default=None, ge=0)
    output_bytes: int | None = Field(default=None, ge=0, le=64 * 1024 * 1024)


class CodeSpec(StrictModel):
    """A submission: its first file is the main one."""

    language: str = Field(min_length=1, max_length=64, description="Name or alias.")
    version: str = Field(default="*", min_length=1, max_length=64, description="A semver range; * is any.")
    files: tuple[CodeFile, ...] = Field(min_length=1, max_length=MOST_FILES)
    stdin: str = Field(default="", max_length=MOST_CODE_BYTES)
    args: tuple[str, ...] = Field(default=(), max_length=1000)
    limits: CodeLimits = CodeLimits()
    compile_limits: CodeLimits = CodeLimits()
    session: Identifier | None = Field(
        default=None, description="The pool session to run in; without one the run has a session of its own."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeResult:
    """How a run ended. Milliseconds and bytes; None where the pool does not tell."""

    verdict: Verdict
    exit_code: int | None = None  # None: it did not end by itself; 0 stays 0
    signal: str | None = None
    stdout: str = ""  # the start of it, KEPT_BYTES at most
    stderr: str = ""
    output: str = ""  # both, in the order of arrival
    cut: bool = False  # there was more
    message: str = ""  # the platform's own words, never the program's
    wall_ms: float | None = None
    cpu_ms: float | None = None
    memory_bytes: int | None = None
    language: str = ""
    version: str = ""
    compile: CodeResult | None = None

    def to_json(self) -> JsonObject:
        """As kept in `Output.detail`."""
        told: JsonObject = {one.name: getattr(self, one.name) for one in fields(self)}
        told["compile"] = None if self.compile is None else self.compile.to_json()
        return told

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """The inverse of `to_json`. Raises KeyError or ValueError for anything else."""
        values = dict(data)
        compiled = values.pop("compile", None)
        values["verdict"] = Verdict(str(values["verdict"]))
        inner = cls.from_json(compiled) if isinstance(compiled, Mapping) else None
        return cls(**values, compile=inner)  # type: ignore[arg-type]


_TEXTS: Mapping[Verdict, str] = {
    Verdict.RUNTIME_ERROR: "The program ended with an error.",
    Verdict.SIGNAL: "The program was ended by a signal.",
    Verdict.TIME_LIMIT: "The program reached its time limit.",
    Verdict.MEMORY_LIMIT: "The program reached its memory limit.",
    Verdict.OUTPUT_LIMIT: "The program printed more than it may.",
    Verdict.COMPILE_ERROR: "The program does not compile.",
    Verdict.INTERNAL_ERROR: "The pool could not run the program.",
}


def verdict_reason(verdict: Verdict) -> Reason | None:
    """Why a run with this verdict did not succeed; None for one that did."""
    text = _TEXTS.get(verdict)
    return Reason(verdict.value, text) if text else None
