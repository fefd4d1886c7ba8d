"""Which identifiers of sessions are good. Pure.

The specification allows 4 to 128 of these characters; the documentation names fewer. Slashes and blanks come from
published clients, so `/` is in the set and the blank is not.
"""

import string

_ALLOWED = frozenset(string.ascii_letters + string.digits + "_|}{[]:\";'<>?/.,@#$%^&*()-+=!~`")
_SHORTEST, _LONGEST = 4, 128


def problem_of(identifier: str) -> str | None:
    """What is wrong with an identifier; None when it is good."""
    if not _SHORTEST <= len(identifier) <= _LONGEST:
        return f"it must have {_SHORTEST} to {_LONGEST} characters."
    if not _ALLOWED.issuperset(identifier):
        return "it has a character that is not allowed."
    return None
