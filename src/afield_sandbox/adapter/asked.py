"""What a request says beside its body: who is meant, how long to wait, what type the body has."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from afield_sandbox.adapter.errors import BadRequestError

LONGEST_WAIT: Final = 600.0
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_|}{\[\]:\";'<>?/.,@#$%^&*()\-+=!~`]{4,128}")
_DEFAULT: Final = "default"


def identifier_of(request: web.BaseRequest) -> str:
    """Whose files and state are meant. A key, and no proof of anything. Raises BadRequestError for what is none.

    Form: the specification of session pools, 2024-10-02-preview and later.
    """
    identifier = request.query.get("identifier")
    if identifier is None:
        return _DEFAULT
    if not _IDENTIFIER.fullmatch(identifier):
        hint = "4 to 128 letters, digits and signs, no blanks."
        raise BadRequestError("The parameter identifier is none.", hint=hint, code="bad_identifier")
    return identifier


def wait_of(request: web.BaseRequest) -> float | None:
    """How many seconds to wait for the end; None to wait for it as long as it takes. Raises BadRequestError."""
    text = request.query.get("wait")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT:
        raise BadRequestError("The parameter wait is out of range.", hint=f"0 to {LONGEST_WAIT:g} seconds.")
    return seconds
