"""What a caller asks to be run: the body of a request, judged, as a submission for the jail. Pure."""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, TypeVar
from uuid import uuid4

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from afield_sandbox.adapter.errors import BadRequestError
from afield_sandbox.adapter.versions import in_range
from afield_sandbox.errors import UnknownLanguageError
from afield_sandbox.languages import Language
from afield_sandbox.model import COMPILE_LIMITS, MIB, File, Limits, Submission

_MOST_FILES = 1000
RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]


class Body(BaseModel):
    """What all bodies have in common: nothing is guessed, and an unknown member is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Encoding(StrEnum):
    """How a file's content is written."""

    UTF8 = "utf8"
    BASE64 = "base64"
    HEX = "hex"


class FileBody(Body):
    """A file of a submission."""

    name: Annotated[str, StringConstraints(max_length=1024)] | None = None
    content: str
    encoding: Annotated[Encoding, Field(strict=False)] | None = None


class LimitsBody(Body):
    """What a run may use; what is not given is the default."""

    wall_s: float | None = None
    cpu_s: float | None = None
    memory_bytes: int | None = None
    processes: int | None = None
    open_files: int | None = None
    file_bytes: int | None = None
    output_bytes: int | None = None


class RunBody(Body):
    """The body of a run. The first file is the main one."""

    run_id: RunId | None = None
    language: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    version: Annotated[str, StringConstraints(max_length=64)] | None = None
    files: Annotated[tuple[FileBody, ...], Field(min_length=1, max_length=_MOST_FILES)]
    stdin: str | None = None
    args: Annotated[tuple[str, ...], Field(max_length=_MOST_FILES)] | None = None
    limits: LimitsBody | None = None
    compile_limits: LimitsBody | None = None


class SocketBody(RunBody):
    """The first message of a conversation. `interactive`: standard input stays open for what is said later."""

    interactive: bool = True


_B = TypeVar("_B", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that any run may ask for."""

    wall_s: float = 600.0
    memory_bytes: int = 4096 * MIB
    output_bytes: int = 64 * MIB

    def require(self, limits: Limits) -> Limits:
        """The limits, if they are allowed. Raises BadRequestError."""
        for name, most in (("wall_s", self.wall_s), ("memory_bytes", self.memory_bytes)):
            self._require(name, getattr(limits, name), most)
        self._require("output_bytes", limits.output_bytes, self.output_bytes)
        return limits

    def _require(self, name: str, value: float, most: float) -> None:
        if value > most:
            text = f"The limit {name} is more than this pool allows."
            raise BadRequestError(text, hint=f"At most {most:g}.", code="bad_submission")


@dataclass(frozen=True, slots=True)
class Order:
    """A run that was asked for. Two orders with the same `digest` ask for the same."""

    run_id: str
    submission: Submission
    language: Language
    digest: bytes

    @property
    def size(self) -> int:
        """Bytes, as long as it waits."""
        return len(self.submission.stdin) + sum(len(file.content) for file in self.submission.files)

    @classmethod
    def of(cls, run_id: str | None, submission: Submission, language: Language) -> Order:
        """With an id of its own if the caller gave none."""
        return cls(run_id or uuid4().hex, submission, language, digest_of(submission))


def read_body(kind: type[_B], data: bytes) -> _B:
    """A request's body. Raises BadRequestError, which names the first thing that is wrong."""
    try:
        return kind.model_validate_json(data or b"{}")
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise BadRequestError(f"{place}: {first['msg']}." if place else f"{first['msg']}.") from None


def choose(languages: Sequence[Language], name: str, version: str) -> Language:
    """The language meant by a name or alias and a range of versions. Raises UnknownLanguageError."""
    for language in languages:
        if name.lower() in (language.name, *language.aliases) and in_range(language.version, version):
            return language
    known = ", ".join(f"{language.name} {language.version}" for language in languages)
    raise UnknownLanguageError(f"{name}-{version} runtime is unknown", hint=f"Here are: {known}.")


def order_of(body: RunBody, languages: Sequence[Language], caps: Caps) -> Order:
    """What a body asks for. Raises BadSubmissionError and BadRequestError; nothing has run then."""
    language = choose(languages, body.language, body.version or "*")
    submission = Submission(
        language.name,
        tuple(_file(number, file) for number, file in enumerate(body.files)),
        stdin=(body.stdin or "").encode(),
        args=body.args or (),
        limits=caps.require(_limits(body.limits, Limits())),
        compile_limits=caps.require(_limits(body.compile_limits, COMPILE_LIMITS)),
    )
    return Order.of(body.run_id, submission, language)


def _limits(given: LimitsBody | None, default: Limits) -> Limits:
    if given is None:
        return default
    return replace(default, **given.model_dump(exclude_none=True))


def _file(number: int, body: FileBody) -> File:
    name = body.name or ("main" if number == 0 else f"file{number}.code")
    return File(name, decode(body.content, body.encoding or Encoding.UTF8, number))


_DECODERS: dict[Encoding, Callable[[str], bytes]] = {
    Encoding.UTF8: str.encode,
    Encoding.BASE64: lambda text: b64decode(text, validate=True),
    Encoding.HEX: binascii.unhexlify,
}


def decode(content: str, encoding: Encoding, number: int) -> bytes:
    """A file's content. Raises BadRequestError when it is not written as it says."""
    try:
        return _DECODERS[encoding](content)
    except ValueError:
        text = f"files[{number}].content is not written in {encoding}."
        raise BadRequestError(text, hint="Encodings are utf8, base64 and hex.", code="bad_submission") from None


def digest_of(submission: Submission) -> bytes:
    """The same for the same submission only."""
    limits = (submission.limits, submission.compile_limits)
    return _digest((submission.language, submission.args, limits), submission.files, submission.stdin)


def program_digest(submission: Submission, version: str) -> bytes:
    """The same for submissions that compile to the same program."""
    return _digest((submission.language, version, submission.compile_limits), submission.files)


def _digest(what: tuple[object, ...], files: tuple[File, ...], stdin: bytes = b"") -> bytes:
    """The head tells how long each part behind it is, so that no two submissions look alike."""
    parts = [stdin, *(file.content for file in files)]
    shapes = [(file.name, file.executable) for file in files]
    digest = hashlib.blake2b(orjson.dumps((what, shapes, [len(part) for part in parts])), digest_size=20)
    for part in parts:
        digest.update(part)
    return digest.digest()
