"""Secrets: sealed, bound, and hidden wherever people look."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from afield.config import LogFormat, Settings
from afield.errors import InvalidInputError
from afield.security.keys import load_keyring
from afield.security.secrets import Keyring, SealError, parse_keys
from afield.telemetry.logs import HIDDEN, hide, log_context, set_up_logs

ONE, TWO = os.urandom(32), os.urandom(32)


@given(st.binary(), st.binary(max_size=20))
def test_what_is_sealed_opens_again(plain: bytes, context: bytes) -> None:
    ring = Keyring([ONE])
    sealed = ring.seal(plain, context)
    assert ring.open(sealed, context) == plain
    assert ring.seal(plain, context) != sealed


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(Keyring([ONE]).seal(b"hush", b"id"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealError):
        Keyring([ONE]).open(bytes(sealed), b"id")


def test_another_context_another_key_or_no_data_do_not_open() -> None:
    sealed = Keyring([ONE]).seal(b"hush", b"id")
    for ring, data, context in (
        (Keyring([ONE]), sealed, b"other"),
        (Keyring([TWO]), sealed, b"id"),
        (Keyring([ONE]), b"", b"id"),
    ):
        with pytest.raises(SealError):
            ring.open(data, context)
    assert Keyring([TWO, ONE]).open(sealed, b"id") == b"hush"
    assert Keyring([TWO, ONE]).outdated(sealed)


def test_keys_as_text() -> None:
    assert parse_keys(base64.b64encode(ONE).decode()) == [ONE]
    (phrase,) = parse_keys("correct horse battery staple")
    assert len(phrase) == 32
    assert parse_keys(f"{base64.b64encode(TWO).decode()}\n\ncorrect horse battery staple\n") == [TWO, phrase]
    for bad in ("", "  \n", "short"):
        with pytest.raises(InvalidInputError):
            parse_keys(bad)
    with pytest.raises(InvalidInputError):
        Keyring([])


def test_the_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ThreadPoolExecutor(8) as threads:
        rings = [*threads.map(lambda _: load_keyring(None, home), range(8))]
    sealed = rings[0].seal(b"hush", b"id")
    assert {ring.open(sealed, b"id") for ring in rings} == {b"hush"}
    (file,) = home.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("secret.key", 0o600)
    file.chmod(0o640)
    with pytest.raises(InvalidInputError, match="chmod 600"):
        load_keyring(None, home)
    load_keyring(SecretStr("correct horse battery staple"), home)


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers, root.level
    set_up_logs("INFO", LogFormat.JSON, stream)
    yield stream
    root.handlers = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_log_lines_are_json_with_context_and_without_secrets(logs: io.StringIO) -> None:
    log = structlog.get_logger("afield.test")
    with log_context(execution_id="e1", target_id=None):
        log.info(
            "asked", access_token="x", url="postgresql://me:pw@db/x", nested={"client_secret": "s", "n": 1}, calls=2
        )
    logging.getLogger("library").warning("sent Authorization: Bearer abc.def and Atza|IwEB-x")
    log.debug("unheard")
    try:
        raise ValueError("refused Atzr|refresh")
    except ValueError:
        log.exception("failed")
    first, second, third = [json.loads(line) for line in logs.getvalue().splitlines()]
    assert (first["event"], first["level"], first["logger"], first["execution_id"]) == (
        "asked",
        "info",
        "afield.test",
        "e1",
    )
    assert "target_id" not in first
    assert (first["access_token"], first["nested"], first["calls"]) == (HIDDEN, {"client_secret": HIDDEN, "n": 1}, 2)
    assert first["url"] == f"postgresql://{HIDDEN}@db/x"
    assert first["timestamp"].endswith("Z")
    assert second["event"] == f"sent Authorization: Bearer {HIDDEN} and {HIDDEN}"
    assert "ValueError" in third["exception"]
    assert "Atzr" not in third["exception"]


def test_the_console_hides_secrets_too() -> None:
    stream, root = io.StringIO(), logging.getLogger()
    before = root.handlers
    set_up_logs("debug", LogFormat.CONSOLE, stream)
    try:
        structlog.get_logger("afield").debug("asked", password="x y z", ok=True)
        try:
            raise ValueError("Atza|abc")
        except ValueError:
            structlog.get_logger("afield").exception("failed")
    finally:
        root.handlers = before
        structlog.reset_defaults()
    text = stream.getvalue()
    assert "asked" in text
    assert "ValueError" in text
    assert "x y z" not in text
    assert "Atza" not in text


def test_hiding_looks_into_everything() -> None:
    assert hide([{"API_KEY": "k"}, ("Bearer zzz",), b"abc", None]) == [
        {"API_KEY": HIDDEN},
        [f"Bearer {HIDDEN}"],
        "[3 bytes]",
        None,
    ]
    assert hide("https://x/y?a=1&sig=abc&b=2") == f"https://x/y?a=1&sig={HIDDEN}&b=2"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AFIELD_"):
            monkeypatch.delenv(name)
    plain = Settings()
    assert (plain.host, plain.port, plain.takeover_after, plain.database_url) == ("127.0.0.1", 8321, 60.0, None)
    assert plain.home_folder == Path.home() / ".afield"
    monkeypatch.setenv("AFIELD_HOME", str(tmp_path))
    monkeypatch.setenv("AFIELD_DATABASE_URL", "postgresql://me:pw@db/x")
    monkeypatch.setenv("AFIELD_TAKEOVER_AFTER", "3")
    given_ = Settings()
    assert (given_.home, given_.takeover_after) == (tmp_path, 3.0)
    assert "pw" not in repr(given_)
    assert all(field.description for field in Settings.model_fields.values())
