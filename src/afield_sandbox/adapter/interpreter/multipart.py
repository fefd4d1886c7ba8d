"""Uploads: the file in a multipart body. Pure.

The type in the header is not looked at: a published client sends `application/json` over a multipart body. The boundary
is read from the first line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from afield_sandbox.adapter.errors import BadRequestError

_NAME: Final = re.compile(rb'[;\s]name="?file"?(?:;|\s|$)', re.IGNORECASE)
_FILE: Final = re.compile(rb'filename="((?:[^"\\]|\\.)*)"|filename=([^;\s]+)', re.IGNORECASE)
_ESCAPED: Final = re.compile(rb"\\(.)")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came."""

    name: str
    content: bytes


def read_upload(body: bytes) -> Upload:
    """The part named `file`. Raises BadRequestError when there is none with a file name."""
    boundary, _, _ = body.partition(b"\r\n")
    parts = (b"\r\n" + body).split(b"\r\n" + boundary) if boundary.startswith(b"--") else []
    for part in parts:
        head, blank, content = part.partition(b"\r\n\r\n")
        found = _FILE.search(head)
        if blank and found and _NAME.search(head.replace(found[0], b"")):
            name = _ESCAPED.sub(rb"\1", found[1]) if found[1] is not None else found[2]
            return Upload(name.decode("utf-8", "replace"), content)
    raise BadRequestError("The request has no file.", hint="Send multipart/form-data with a field named 'file'.")
