"""Whether a text may be shown as it came from a language model. Pure."""

from __future__ import annotations

import re

_NOT_PLAIN = re.compile(r"://|\bwww\.|\w@\w|[<>{}|\\`\[\]=]|\*\*|--|/\*|\*/|\(\)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def tidy(text: str) -> str:
    """On one line, without quotes around it."""
    line = " ".join(text.split())
    return line[1:-1].strip() if len(line) > 1 and line[0] in "\"'“" and line[-1] in "\"'”" else line


def flaw(text: str, *, most: int, known: str) -> str:
    """Why the text is not taken, or nothing. `known`: what has been said already; a number that is not in it would be a
    claim about data that nobody has looked at."""
    if not re.search(r"[^\W\d_]", text):
        return "it says nothing"
    if len(text) > most:
        return f"it is longer than {most} letters"
    if not text.isprintable():
        return "it has control characters"
    if _NOT_PLAIN.search(text):
        return "it holds an address or markup"
    invented = [number for number in _NUMBER.findall(text) if number not in _NUMBER.findall(known)]
    return f"the number {invented[0]} is made up" if invented else ""
