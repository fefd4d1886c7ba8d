"""What simple pipelines print, where that can be told from their text alone. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence

from afield.runbooks.shell_words import Pipeline, Simple, unescaped

_DECODE = frozenset({"-d", "--decode", "-D", "-di", "-id"})


def output_of(pipelines: Sequence[Pipeline]) -> str | None:
    """The output of a script; None if it depends on anything but the script."""
    outputs = [_piped(pipeline) for pipeline in pipelines]
    return None if None in outputs or not outputs else "".join(filter(None, outputs))


def _piped(pipeline: Pipeline) -> str | None:
    text: str | None = None
    for place, simple in enumerate(pipeline):
        given = simple.stdin if simple.stdin is not None else text
        if place and given is None:
            return None
        text = _printed(simple, given)
    return text


def _printed(simple: Simple, given: str | None) -> str | None:
    program, *arguments = simple.words or ("",)
    printer = _PRINTERS.get(program.rpartition("/")[2])
    unknown = any("$" in word for word in simple.words)
    return None if printer is None or unknown else printer(arguments, given)


def _echo(arguments: list[str], _given: str | None) -> str:
    start = next((place for place, word in enumerate(arguments) if not re.fullmatch("-[neE]+", word)), len(arguments))
    text = " ".join(arguments[start:])
    options = "".join(arguments[:start])
    return (unescaped(text) if "e" in options else text) + ("" if "n" in options else "\n")


def _printf(arguments: list[str], _given: str | None) -> str:
    words = iter(arguments[arguments[:1] == ["--"] :])
    pattern = unescaped(next(words, ""))
    first = re.sub(r"%[sb]", lambda match: unescaped(next(words, "")), pattern)
    rest = "".join(re.sub(r"%[sb]", lambda match, word=word: word, pattern) for word in words)  # type: ignore[misc]
    return first + rest


def _base64(arguments: list[str], given: str | None) -> str | None:
    if given is None or not _DECODE & set(arguments):
        return None
    try:
        return base64.b64decode("".join(given.split())).decode("utf-8", errors="replace")
    except binascii.Error:
        return None


def _xxd(arguments: list[str], given: str | None) -> str | None:
    options = "".join(arguments)
    if given is None or "r" not in options or "p" not in options:
        return None
    try:
        return bytes.fromhex("".join(given.split())).decode("utf-8", errors="replace")
    except ValueError:
        return None


def _tr(arguments: list[str], given: str | None) -> str | None:
    if given is None or len(arguments) != 2:
        return None
    if arguments[0] == "-d":
        return given.translate({ord(char): None for char in unescaped(arguments[1])})
    old, new = (_spread(unescaped(each)) for each in arguments)
    return given.translate({ord(a): b for a, b in zip(old, new.ljust(len(old), new[-1:] or " "), strict=False)})


def _spread(characters: str) -> str:
    """`a-e` as `abcde`."""
    return re.sub(
        r"(.)-(.)",
        lambda match: "".join(map(chr, range(ord(match[1]), min(ord(match[2]), ord(match[1]) + 256) + 1))),
        characters,
    )


def _cat(arguments: list[str], given: str | None) -> str | None:
    return given if not arguments or arguments == ["-"] else None


def _rev(_arguments: list[str], given: str | None) -> str | None:
    return None if given is None else "\n".join(line[::-1] for line in given.split("\n"))


_PRINTERS: dict[str, Callable[[list[str], str | None], str | None]] = {
    "base64": _base64,
    "cat": _cat,
    "echo": _echo,
    "openssl": _base64,
    "printf": _printf,
    "rev": _rev,
    "tr": _tr,
    "xxd": _xxd,
}
