"""A request to run code, and whether it can be taken at all. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from afield.connectors.coding import MOST_CODE_BYTES, CodeFile, CodeResult, CodeSpec, Encoding
from afield.errors import InvalidInputError
from afield.model.execution import Execution

MOST_BATCH = 50
MOST_ARG_BYTES = 128 * 1024
LONGEST_USER = 320
_LONGEST_PATH = 255
OWN_LABELS = "code_"
"""How the labels begin that this product gives."""

USER_LABEL, RUN_LABEL, DIGEST_LABEL = "code_user", "code_run", "code_request"
KEY_LABEL = "code_key"
JUDGE_LABEL, TEST_LABEL = "code_judge", "code_test"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Code to be run. `keep`: in a session of the user's own of the name `lease`, which stays for the next run."""

    spec: CodeSpec
    pool: str | None = None  # name or id of the target; None: the pool of this installation
    keep: bool = False
    lease: str = "main"
    labels: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """What became of it. No result: it did not run, has not ended yet, or nobody knows; the execution says which."""

    execution: Execution
    result: CodeResult | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why one request of a batch was not run."""

    code: str
    message: str
    hint: str = ""
    status: int = 500  # as HTTP has it
    retry_after: int | None = None  # seconds


def check_request(request: RunRequest, user: str) -> None:
    """Raises InvalidInputError saying what is wrong; nothing is recorded then."""
    if not user or len(user) > LONGEST_USER or not user.isprintable():
        raise InvalidInputError(f"A user's name has 1 to {LONGEST_USER} printable characters.")
    reserved = sorted(name for name in request.labels if name.startswith(OWN_LABELS))
    if reserved:
        raise InvalidInputError(f"The label {reserved[0]!r} is Afield's own.", hint="Choose another name.")
    if request.spec.session is not None:
        raise InvalidInputError(
            "The session of a run cannot be chosen.", hint="Leave it out; ask to keep a session of your own instead."
        )
    _check_files(request.spec)
    _check_texts(request.spec)


def digest_of(request: RunRequest) -> str:
    """Tells whether two requests ask for the same."""
    body = [request.pool, request.keep, request.lease, request.spec.model_dump(mode="json"), dict(request.labels)]
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:40]


def key_digest(user: str, key: str) -> str:
    """Names an idempotency key of one user, in a label."""
    return hashlib.sha256(f"{len(user)}:{user}{key}".encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _check_files(spec: CodeSpec) -> None:
    seen: set[str] = set()
    for number, file in enumerate(spec.files):
        _check_name(file.name, number)
        if file.name and file.name in seen:
            raise InvalidInputError(f"Two files are called {file.name[:80]!r}.", hint="Give each a name of its own.")
        seen.add(file.name)
    size = sum(_size(file, number) for number, file in enumerate(spec.files)) + len(_utf8(spec.stdin, "stdin"))
    if size > MOST_CODE_BYTES:
        hint = f"All files and the input together may have {MOST_CODE_BYTES}."
        raise InvalidInputError(f"The submission has {size} bytes.", hint=hint)
    if all(file.encoding is not Encoding.UTF8 for file in spec.files):
        raise InvalidInputError("There is no file of text.", hint="The first file with the encoding utf8 is run.")


def _check_name(name: str, number: int) -> None:
    if not name:
        return
    parts = name.split("/")
    bad = any(part in {"", ".", ".."} or len(part.encode("utf-8", "replace")) > _LONGEST_PATH for part in parts)
    if bad or "\\" in name or not name.isprintable():
        raise InvalidInputError(
            f"files[{number}] cannot be called {name[:80]!r}.",
            hint="A name is a relative path of printable characters, without `.`, `..`, a backslash or empty parts.",
        )


_DECODERS: Mapping[Encoding, Callable[[str], bytes]] = {
    Encoding.BASE64: lambda text: base64.b64decode(text, validate=True),
    Encoding.HEX: bytes.fromhex,
}


def _size(file: CodeFile, number: int) -> int:
    decode = _DECODERS.get(file.encoding)
    if decode is None:
        return len(_utf8(file.content, f"files[{number}].content"))
    try:
        return len(decode(file.content))
    except (ValueError, binascii.Error):
        raise InvalidInputError(f"files[{number}].content is not {file.encoding}.") from None


def _check_texts(spec: CodeSpec) -> None:
    size = 0
    for number, arg in enumerate(spec.args):
        size += len(_utf8(arg, f"args[{number}]")) + 1
        if "\0" in arg:
            raise InvalidInputError(f"args[{number}] holds a NUL character, which no program can be given.")
    if size > MOST_ARG_BYTES:
        raise InvalidInputError(f"The arguments have {size} bytes.", hint=f"{MOST_ARG_BYTES} are taken.")


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"{what} holds half a character.", hint="Send it as UTF-8, or as base64.") from None
