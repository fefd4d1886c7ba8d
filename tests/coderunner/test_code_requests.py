"""What is refused before anything is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from afield.coderunner.requests import RunRequest, check_request, digest_of, key_digest
from afield.connectors.coding import MOST_CODE_BYTES, CodeSpec
from afield.errors import InvalidInputError


def request(*files: dict[str, Any], **more: Any) -> RunRequest:
    own = {name: more.pop(name) for name in ("labels", "keep", "pool") if name in more}
    spec = CodeSpec.model_validate({"language": "python", "files": files or [{"content": "print(1)"}], **more})
    return RunRequest(spec=spec, **own)


@pytest.mark.parametrize(
    "good",
    [
        request(),
        request({"name": "a/b.py", "content": ""}, {"name": "data.bin", "content": "AAE=", "encoding": "base64"}),
        request({"content": "x"}, args=["", "ü"], stdin="\0", labels={"contest": "1"}),
        request({"name": "..a", "content": "x"}, {"content": "00ff", "encoding": "hex"}),
    ],
)
def test_is_taken(good: RunRequest) -> None:
    check_request(good, "ann")


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (request({"name": "../x", "content": ""}), "cannot be called '../x'"),
        (request({"name": "/etc/passwd", "content": ""}), "cannot be called"),
        (request({"name": "a//b", "content": ""}), "cannot be called"),
        (request({"name": "a\\b", "content": ""}), "cannot be called"),
        (request({"name": "a\nb", "content": ""}), "cannot be called"),
        (request({"name": "x" * 256, "content": ""}), "cannot be called"),
        (request({"name": "a", "content": ""}, {"name": "a", "content": ""}), "Two files are called 'a'"),
        (request({"content": "!", "encoding": "base64"}), "is not base64"),
        (request({"content": "0g", "encoding": "hex"}), "is not hex"),
        (request({"content": "00", "encoding": "hex"}), "no file of text"),
        (request({"content": "x" * MOST_CODE_BYTES}, stdin="y"), "bytes"),
        (request(args=["a\0b"]), "NUL"),
        (request(args=["x" * 1024] * 200), "arguments have"),
        (request({"content": "\ud800"}), "half a character"),
        (request(labels={"code_user": "eve"}), "Afield's own"),
        (request(session="af-0123456789"), "cannot be chosen"),
    ],
)
def test_is_refused(bad: RunRequest, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        check_request(bad, "ann")


@pytest.mark.parametrize("user", ["", "a\nb", "x" * 321])
def test_a_user_has_a_name(user: str) -> None:
    with pytest.raises(InvalidInputError, match="name"):
        check_request(request(), user)


def test_digests_tell_requests_and_keys_apart() -> None:
    assert digest_of(request()) == digest_of(request())
    assert digest_of(request()) != digest_of(request(keep=True))
    assert digest_of(request()) != digest_of(request({"content": "print(2)"}))
    assert key_digest("a", "bc") != key_digest("ab", "c")
