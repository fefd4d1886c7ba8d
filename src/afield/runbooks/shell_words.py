"""The words of a bash script as bash would see them, as far as that can be told without running it. Pure.

Quotes and escapes are taken away; variables that the script itself sets, braces, `$IFS`, ANSI-C strings and the
output of `echo`, `printf`, `base64 -d` and the like are written out. What depends on anything else stays as it is
written: `$NAME`, `$(...)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

SPLIT, LEFT, COMMA, RIGHT = "\ue000", "\ue001", "\ue002", "\ue003"
UNKNOWN_END = "\ue004"  # behind `$NAME` whose value is not known
_BRACES = re.compile(f"{LEFT}([^{LEFT}{RIGHT}]*){RIGHT}")
_PLAIN = str.maketrans({LEFT: "{", COMMA: ",", RIGHT: "}"})
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "", "b": "", "e": "", "f": "", "v": ""}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,6}|0?[0-7]{1,3}|.)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")
_ANSI = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_PARAMETER = re.compile(r"(!?)([A-Za-z_]\w*)(.*)", re.DOTALL)
_SLICE = re.compile(r":\s*(\d+)(?::\s*(\d+))?")
_REPLACE = re.compile(r"//?([^/]+)/?(.*)", re.DOTALL)
MOST_DEPTH = 8  # of brackets in brackets
MOST_WORDS = 64  # that one word may become
MOST_VALUE = 1_024  # characters of a variable's value that are followed


class TooDeepError(ValueError):
    """The script nests deeper than is followed."""


@dataclass(frozen=True, slots=True)
class Simple:
    """One command: its words, where it reads and writes, and the text it is given to read, if that is known."""

    words: tuple[str, ...]
    redirects: tuple[tuple[str, str], ...] = ()
    stdin: str | None = None


Pipeline: TypeAlias = tuple[Simple, ...]
Output: TypeAlias = Callable[[list[Pipeline]], str | None]


@dataclass(slots=True)
class Scope:
    """What is known while a script is read: values of variables, and how to tell what a substitution prints."""

    output_of: Output
    variables: dict[str, str] = field(default_factory=dict)
    nested: list[Pipeline] = field(default_factory=list)  # of substitutions
    read: Callable[[str, int, Scope], tuple[list[Pipeline], int]] | None = None
    depth: int = 0

    def deeper(self) -> None:
        """One level down. Raises TooDeepError."""
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise TooDeepError


def unescaped(text: str) -> str:
    """A text with the escapes of `$'...'` and `echo -e` written out."""
    return _ESCAPE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "xuU" and len(code) > 1:
        return _character(int(code[1:], 16))
    if code[0] in "01234567":
        return _character(int(code, 8))
    return _ESCAPES.get(code, code)


def _character(number: int) -> str:
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number <= 0xDFFF else ""


def expanded(word: str) -> list[str]:
    """The words that a word with marks becomes: braces multiply it, unquoted blanks of values split it."""
    waiting = [word]
    done: list[str] = []
    while waiting and len(waiting) + len(done) <= MOST_WORDS:
        text = waiting.pop(0)
        match = _BRACES.search(text)
        if match is None:
            done += [part.translate(_PLAIN) for part in (text.split(SPLIT) if SPLIT in text else [text])]
        elif COMMA in match[1]:
            options = match[1].split(COMMA)
            waiting = [f"{text[: match.start()]}{each}{text[match.end() :]}" for each in options] + waiting
        else:
            waiting.insert(0, f"{text[: match.start()]}{{{match[1]}}}{text[match.end() :]}")
    done += [text.translate(_PLAIN).replace(SPLIT, " ") for text in waiting]
    return [each for each in done if each] if SPLIT in word else done


@dataclass(slots=True)
class WordReader:
    """Reads one word from `text` at `at`."""

    text: str
    at: int
    scope: Scope

    def word(self) -> tuple[list[str], int]:
        """The words it becomes, and where it ends. An unquoted word that vanishes is no word."""
        parts: list[str] = []
        quoted = False
        while self.at < len(self.text) and self.text[self.at] not in " \t\r\n;|&()<>":
            quoted |= self.text[self.at] in "'\"" or self.text.startswith(("$'", '$"'), self.at)
            parts.append(self._part())
        text = "".join(parts)
        return (expanded(text) if text else [""] * quoted), self.at

    def _part(self) -> str:
        char = self.text[self.at]
        if char == "\\":
            self.at += 2
            escaped = self.text[self.at - 1 : self.at]
            return "" if escaped == "\n" else escaped
        if char == "'":
            return self._until("'")
        if char == '"':
            return self._double()
        if char in "$`":
            return self.dollar(quoted=False)
        self.at += 1
        return {"{": LEFT, ",": COMMA, "}": RIGHT}.get(char, char)

    def _until(self, closing: str) -> str:
        end = self.text.find(closing, self.at + 1)
        end = len(self.text) if end < 0 else end
        inner = self.text[self.at + 1 : end]
        self.at = end + 1
        return inner

    def _double(self) -> str:
        self.at += 1
        inner = self.double_text('"')
        self.at += 1
        return inner

    def double_text(self, closing: str) -> str:
        """Text as inside double quotes, up to `closing`, or to the end if that is empty."""
        parts: list[str] = []
        while self.at < len(self.text) and self.text[self.at] != closing:
            char = self.text[self.at]
            if char in "$`":
                parts.append(self.dollar(quoted=True))
            elif char == "\\" and self.text[self.at + 1 : self.at + 2] in {"$", "`", '"', "\\", "\n"}:
                parts.append(self.text[self.at + 1].replace("\n", ""))
                self.at += 2
            else:
                parts.append(char)
                self.at += 1
        return "".join(parts)

    def dollar(self, *, quoted: bool) -> str:
        """What begins with `$` or a backtick."""
        ansi = None if quoted else _ANSI.match(self.text, self.at)
        name = _NAME.match(self.text, self.at + 1)
        following = self.text[self.at + 1 : self.at + 2]
        if self.text[self.at] == "`":
            return self._code(re.sub(r"\\([`$\\])", r"\1", self._until("`")), quoted)
        if ansi:
            self.at = ansi.end()
            return unescaped(ansi[1])
        if following == "(":
            return self._substitution(quoted)
        if following == "{":
            return self._parameter(self._braced(), quoted)
        if name:
            self.at = name.end()
            return self._parameter(name[0], quoted)
        return self._special(following)

    def _special(self, following: str) -> str:
        if following == '"':
            self.at += 1
            return ""
        known = following.isdigit() or following in tuple("@*#?$!-")
        self.at += 2 if known else 1
        return "" if known else "$"  # a runbook's script has no arguments

    def _substitution(self, quoted: bool) -> str:
        if self.text.startswith("$((", self.at):
            end = self.text.find("))", self.at)
            inner = self.text[self.at + 3 : end if end > 0 else len(self.text)]
            self.scope.deeper()
            WordReader(inner, 0, self.scope).double_text("")
            self.scope.depth -= 1
            self.at = end + 2 if end > 0 else len(self.text)
            return "0"
        start = self.at + 2
        assert self.scope.read is not None
        pipelines, self.at = self.scope.read(self.text, start, self.scope)
        return self._printed(pipelines, self.text[start : self.at - 1], quoted)

    def _code(self, code: str, quoted: bool) -> str:
        assert self.scope.read is not None
        pipelines, _ = self.scope.read(code, 0, self.scope)
        return self._printed(pipelines, code, quoted)

    def _printed(self, pipelines: list[Pipeline], code: str, quoted: bool) -> str:
        self.scope.nested += pipelines
        printed = self.scope.output_of(pipelines)
        if printed is None:
            return f"$({' '.join(code.split())})"
        return self._value(printed.rstrip("\n"), quoted)

    def _braced(self) -> str:
        depth, start = 0, self.at + 2
        for place in range(self.at + 1, len(self.text)):
            depth += {"{": 1, "}": -1}.get(self.text[place], 0)
            if depth == 0:
                self.at = place + 1
                return self.text[start:place]
        self.at = len(self.text)
        return self.text[start:]

    def _parameter(self, inner: str, quoted: bool) -> str:
        match = _PARAMETER.fullmatch(inner)
        if match is None:
            return "" if inner[:1] in tuple("@*0123456789") else "0"
        indirect, name, operation = match.groups()
        value = self._lookup(name, quoted)
        if indirect and value is not None:
            value = self._lookup(value, quoted)
        changed = self._operated(value, operation)
        return f"${name}{UNKNOWN_END}" if changed is None else self._value(changed, quoted)

    def _lookup(self, name: str, quoted: bool) -> str | None:
        if name == "IFS" and name not in self.scope.variables:
            return " " if quoted else SPLIT
        return self.scope.variables.get(name)

    def _operated(self, value: str | None, operation: str) -> str | None:
        """`${name<operation>}`; None if it cannot be told."""
        default = re.fullmatch(r":?([-=+])(.*)", operation, re.DOTALL)
        if default and (value is None) == (default[1] != "+"):
            self.scope.deeper()
            text = WordReader(default[2], 0, self.scope).double_text("").replace("'", "")
            self.scope.depth -= 1
            return text
        if value is None or not operation or default:
            return value
        piece, swap = _SLICE.fullmatch(operation), _REPLACE.fullmatch(operation)
        if piece:
            start = int(piece[1])
            return value[start : start + int(piece[2])] if piece[2] else value[start:]
        if swap:
            return value.replace(swap[1], swap[2])
        return {",": value.lower(), "^": value.upper()}.get(operation[0], value)

    def _value(self, value: str, quoted: bool) -> str:
        value = value[:MOST_VALUE]
        if quoted:
            return value
        blanks = self.scope.variables.get("IFS", " \t\n") or "\0"
        return re.sub(f"[{re.escape(blanks)}]+", SPLIT, value)
