"""`{{ name }}` in the text of a step: where each stands, and whether a value can be put there safely. Pure.

A value is put into a bash command as one single-quoted word. That is safe only where bash reads a word: not inside
quotes, where the quotes of the value would end the others; not in a heredoc or a comment, which know no quotes; not
in arithmetic, which evaluates texts. The scan follows bash as far as is needed to tell these apart, and where it
cannot follow it says so rather than guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}")
_HEREDOC = re.compile(r"<<(-?)[ \t]*(?:'([^'\n]+)'|\"([^\"\n]+)\"|\\?([^\s'\"\\;&|<>()]+))")
_ANSI_QUOTED = re.compile(r"\$'(?:[^'\\]|\\.)*'", re.DOTALL)
_CASE = re.compile(r"case\b")


class Spot(StrEnum):
    """What bash is reading where a placeholder stands."""

    WORD = "word"
    QUOTES = "quotes"
    HEREDOC = "heredoc"
    COMMENT = "comment"
    ARITHMETIC = "arithmetic"
    EXPANSION = "expansion"
    BACKTICKS = "backticks"
    ESCAPED = "escaped"
    UNCLEAR = "unclear"


WHY_NOT = {
    Spot.QUOTES: "It stands inside quotes. The value brings its own quotes, which would end the ones around it.",
    Spot.HEREDOC: "It stands in a here-document, where quotes protect nothing.",
    Spot.COMMENT: "It stands in a comment. A value with a line break would end the comment.",
    Spot.ARITHMETIC: "It stands in arithmetic, where bash evaluates texts.",
    Spot.EXPANSION: "It stands inside ${...}, where quotes mean something else.",
    Spot.BACKTICKS: "It stands inside backticks, which remove one level of quoting.",
    Spot.ESCAPED: "A `\\` or `$` stands directly before it and changes what its quotes mean.",
    Spot.UNCLEAR: "The command is too intricate to tell where it stands.",
}
"""Why no value can be put into such a spot."""


@dataclass(frozen=True, slots=True)
class Use:
    """One placeholder."""

    name: str
    start: int  # offsets into the text
    end: int
    spot: Spot = Spot.WORD


def uses(text: str) -> Iterator[Use]:
    """All placeholders of a text that is not a script."""
    for match in PLACEHOLDER.finditer(text):
        yield Use(match[1], match.start(), match.end())


def uses_in_bash(script: str) -> list[Use]:
    """All placeholders of a script, each with its spot."""
    return _Scan(script).run().uses


def open_at_end(script: str) -> str:
    """What is still open at the end of the script: a quote, a bracket, a here-document; empty if nothing is."""
    scan = _Scan(script).run()
    return scan.heredocs[0][1] if scan.heredocs else "".join(scan.stack)


def fill(text: str, found: list[Use], written: Callable[[str], str]) -> str:
    """The text with each placeholder replaced by `written(name)`."""
    parts, end = [], 0
    for use in found:
        parts += [text[end : use.start], written(use.name)]
        end = use.end
    return "".join(parts) + text[end:]


_OPENINGS = (  # the text, what it opens, and whether it does so inside double quotes too
    ("$((", ["((", "(("], True),
    ("$(", ["("], True),
    ("${", ["${"], True),
    ("`", ["`"], True),
    ('"', ['"'], False),
    ("((", ["((", "(("], False),
    ("(", ["("], False),
)
_CLOSING = {"(": ")", "((": ")", "${": "}", "`": "`", '"': '"'}
_SPOTS = {"((": Spot.ARITHMETIC, "${": Spot.EXPANSION, "`": Spot.BACKTICKS, '"': Spot.QUOTES}


@dataclass
class _Scan:
    """One pass over a script. `stack` holds what is open: `"`, `` ` ``, `(`, `((` (twice) and `${`."""

    text: str
    at: int = 0
    stack: list[str] = field(default_factory=list)
    heredocs: list[tuple[bool, str]] = field(default_factory=list)  # begun on this line: tabs stripped, terminator
    uses: list[Use] = field(default_factory=list)
    lost: bool = False

    def run(self) -> _Scan:
        while self.at < len(self.text):
            self._quoted() if self._top() == '"' else self._code()
        return self

    def _code(self) -> None:
        rest, char = self.text[self.at : self.at + 3], self.text[self.at]
        if self._placeholder() or self._opened(rest):
            return
        if char == "\n" and self.heredocs and "((" not in self.stack:
            self._heredoc_bodies()
        elif char == "'" and self._top() == "${" and '"' in self.stack:
            self.lost = True  # sometimes a quote, sometimes a character
            self.at += 1
        elif char == "'":
            self._span(self._after("'", self.at + 1), Spot.QUOTES)
        elif char == "#" and self._at_word_start():
            end = self.text.find("\n", self.at)
            self._span(len(self.text) if end < 0 else end, Spot.COMMENT)
        elif self.stack and char == _CLOSING[self.stack[-1]]:
            self.stack.pop()
            self.at += 1
        else:
            self._plain(char)

    def _plain(self, char: str) -> None:
        """A character that opens and closes nothing."""
        heredoc = _HEREDOC.match(self.text, self.at) if char == "<" and "((" not in self.stack else None
        if char == "<" and self.text.startswith("<<<", self.at):
            self.at += 3
        elif heredoc:
            self.heredocs.append((bool(heredoc[1]), heredoc[2] or heredoc[3] or heredoc[4]))
            self.at = heredoc.end()
        else:
            if char == "c" and "(" in self.stack and _CASE.match(self.text, self.at) and self._at_word_start():
                self.lost = True  # the `)` of its patterns would be taken for the end of the bracket
            self.at += 1

    def _quoted(self) -> None:
        """Inside double quotes only `\\`, `$`, backticks and the closing quote mean something."""
        rest, char = self.text[self.at : self.at + 3], self.text[self.at]
        if self._placeholder() or self._opened(rest, quoted=True):
            return
        if char == '"':
            self.stack.pop()
        self.at += 1

    def _opened(self, rest: str, *, quoted: bool = False) -> bool:
        """Step over an escape, or open what begins here."""
        ansi = None if quoted else _ANSI_QUOTED.match(self.text, self.at)
        if rest.startswith("\\"):
            self.at += 1 if self.text.startswith("{{", self.at + 1) else 2
        elif ansi:
            self._span(ansi.end(), Spot.QUOTES)
        else:
            return self._opened_bracket(rest, quoted)
        return True

    def _opened_bracket(self, rest: str, quoted: bool) -> bool:
        if rest.startswith("${") and PLACEHOLDER.match(self.text, self.at + 1):
            return False
        for opening, pushed, in_quotes in _OPENINGS:
            if rest.startswith(opening) and (in_quotes or not quoted) and not (opening == "`" == self._top()):
                arithmetic = opening == "(" and self._top() == "(("
                self._open(["(("] if arithmetic else pushed, len(opening))
                return True
        return False

    def _top(self) -> str:
        return self.stack[-1] if self.stack else ""

    def _open(self, what: list[str], length: int) -> None:
        self.stack += what
        self.at += length

    def _placeholder(self) -> bool:
        match = PLACEHOLDER.match(self.text, self.at)
        if not match:
            return False
        self.uses.append(Use(match[1], match.start(), match.end(), self._spot()))
        self.at = match.end()
        return True

    def _spot(self) -> Spot:
        if self.lost:
            return Spot.UNCLEAR
        around = next((_SPOTS[opened] for opened in reversed(self.stack) if opened in _SPOTS), None)
        if around is not None:
            return around
        return Spot.ESCAPED if self.at and self.text[self.at - 1] in "\\$" else Spot.WORD

    def _span(self, end: int, spot: Spot) -> None:
        """Step over a piece in which every placeholder is in the same spot."""
        for match in PLACEHOLDER.finditer(self.text, self.at, end):
            self.uses.append(Use(match[1], match.start(), match.end(), spot))
        self.at = end

    def _after(self, char: str, start: int) -> int:
        found = self.text.find(char, start)
        if found < 0:
            self.stack.append(char)
        return len(self.text) if found < 0 else found + 1

    def _at_word_start(self) -> bool:
        return self.at == 0 or self.text[self.at - 1] in " \t\n;&|()"

    def _heredoc_bodies(self) -> None:
        """From the end of a line over the here-documents that were begun on it."""
        self.at += 1
        while self.heredocs and self.at < len(self.text):
            strip_tabs, terminator = self.heredocs[0]
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at : end]
            if (line.lstrip("\t") if strip_tabs else line) == terminator:
                self.heredocs.pop(0)
            self._span(min(end + 1, len(self.text)), Spot.HEREDOC)
