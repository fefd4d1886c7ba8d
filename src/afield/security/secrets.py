"""Secrets at rest: sealed with AES-256-GCM, bound to what they belong to. Pure but for the nonce's randomness.

A sealed secret is: one byte of format, one byte naming the key, 12 bytes of nonce, the ciphertext with its tag.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from afield.errors import AfieldError, InvalidInputError

KEY_BYTES = 32
SHORTEST_PASSPHRASE = 16
_FORMAT = 1
_NONCE_BYTES = 12
_HEAD_BYTES = 2 + _NONCE_BYTES
_SALT = b"afield/secret-key/1"


class SealError(AfieldError):
    """A sealed secret cannot be opened: the key is another one, or the data was changed."""

    code = "secret_unreadable"


class Keyring:
    """The keys of an installation. The first seals; all of them open, so that keys can be changed one by one."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys`: at least one, each of 32 bytes."""
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise InvalidInputError(f"A secret key has {KEY_BYTES} bytes.")
        self._ciphers = [(_key_id(key), AESGCM(key)) for key in keys]

    def __repr__(self) -> str:
        return f"Keyring({len(self._ciphers)} keys)"

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt. Only who names the same `context` (the id of what it belongs to) can open it."""
        key_id, cipher = self._ciphers[0]
        head = bytes((_FORMAT, key_id)) + os.urandom(_NONCE_BYTES)
        return head + cipher.encrypt(head[2:], plain, head[:2] + context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt. Raises SealError when no key fits, or when the data or the context is not what was sealed."""
        if len(sealed) <= _HEAD_BYTES or sealed[0] != _FORMAT:
            raise SealError("A stored secret is damaged.", hint="Store the credential again.")
        for key_id, cipher in self._ciphers:
            if key_id == sealed[1]:
                try:
                    return cipher.decrypt(sealed[2:_HEAD_BYTES], sealed[_HEAD_BYTES:], sealed[:2] + context)
                except InvalidTag:
                    continue
        raise SealError(
            "A stored secret cannot be read with the present key.",
            hint="Give back the AFIELD_SECRET_KEY (or secret.key file) it was stored with, or store it again.",
        )

    def outdated(self, sealed: bytes) -> bool:
        """Whether it was sealed with another key than the one that seals now."""
        return sealed[1] != self._ciphers[0][0]


def _key_id(key: bytes) -> int:
    return hashlib.sha256(b"afield/key-id/" + key).digest()[0]


def parse_keys(text: str) -> list[bytes]:
    """One key a line, the one that seals first: 32 bytes in base64, or a passphrase.

    Raises InvalidInputError for a short passphrase or an empty text.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InvalidInputError("The secret key is empty.", hint="Set AFIELD_SECRET_KEY, or remove the key file.")
    return [_parse_key(line) for line in lines]


def _parse_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) == KEY_BYTES:
        return key
    if len(text) < SHORTEST_PASSPHRASE:
        raise InvalidInputError(
            f"The secret key is too short: it needs {SHORTEST_PASSPHRASE} characters.",
            hint="Use 32 random bytes in base64, as `openssl rand -base64 32` prints them.",
        )
    return hashlib.scrypt(text.encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=KEY_BYTES)


def new_key() -> str:
    """A fresh key, as text for a key file."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()
