"""The commands of a bash script, without running it: pipelines of simple commands, those of substitutions too. Pure.

It reads more than bash would run: the branches of every `if`, the body of every function, the items of an array.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from afield.runbooks.shell_words import SPLIT, Output, Pipeline, Scope, Simple, WordReader

_OPERATOR = re.compile(r"&&|\|\||;;&?|;&|\|&|[;|()\n]|&(?!>)")
_REDIRECT = re.compile(r"(?:\d+|\{\w+\})?(<<<|<<-|<<|<>|>>|>\||>&|<&|&>>|&>|>(?!\()|<(?!\())")
_PROCESS = re.compile(r"[<>]\(")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\+?=(.*)", re.DOTALL)
_SKIPPED = frozenset(
    {"if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "time", "coproc", "function"}
    | {"esac"}
)
_DECLARING = frozenset({"export", "declare", "local", "readonly", "typeset"})


def read_script(text: str, output_of: Output, known: Mapping[str, str], depth: int = 0) -> list[Pipeline]:
    """All pipelines of a script, those of its substitutions too. Raises TooDeepError."""
    scope = Scope(output_of, dict(known), depth=depth)
    scope.read = _read_nested
    reader = _Reader(text, 0, scope)
    return [*reader.run(), *scope.nested]


def _read_nested(text: str, at: int, scope: Scope) -> tuple[list[Pipeline], int]:
    """Up to the bracket that closes a substitution, and where the text goes on."""
    scope.deeper()
    reader = _Reader(text, at, scope)
    pipelines = reader.run(nested=True)
    scope.depth -= 1
    return pipelines, reader.at


@dataclass(slots=True)
class _Draft:
    """A command that is being read."""

    words: list[str] = field(default_factory=list)
    redirects: list[tuple[str, str]] = field(default_factory=list)
    stdin: str | None = None


@dataclass(slots=True)
class _Reader:
    text: str
    at: int
    scope: Scope
    draft: _Draft = field(default_factory=_Draft)
    pipeline: list[_Draft] = field(default_factory=list)
    done: list[list[_Draft]] = field(default_factory=list)
    heredocs: list[tuple[bool, str, _Draft]] = field(default_factory=list)

    def run(self, *, nested: bool = False) -> list[Pipeline]:
        depth = 0
        while self.at < len(self.text):
            char = self.text[self.at]
            depth += {"(": 1, ")": -1}.get(char, 0)
            if nested and depth < 0:
                self.at += 1
                break
            self._step(char)
        self._end_pipeline()
        pipelines = (tuple(map(_simple, drafts)) for drafts in self.done)
        return [pipeline for pipeline in pipelines if any(each.words or each.redirects for each in pipeline)]

    def _step(self, char: str) -> None:
        redirect = _REDIRECT.match(self.text, self.at)
        operator = _OPERATOR.match(self.text, self.at)
        if char in " \t\r" or self.text.startswith("\\\n", self.at):
            self.at += 1 if char != "\\" else 2
        elif char == "#":
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        elif redirect:
            self.at = redirect.end()
            self._redirect(redirect[1])
        elif _PROCESS.match(self.text, self.at):
            self._process_substitution()
        elif operator:
            self.at = operator.end()
            self._operator(operator[0])
        else:
            words, self.at = WordReader(self.text, self.at, self.scope).word()
            self.draft.words += words

    def _operator(self, operator: str) -> None:
        if operator in {"|", "|&"}:
            self._end_command()
        else:
            self._end_pipeline()
        if operator == "\n":
            self._heredoc_bodies()

    def _redirect(self, operator: str) -> None:
        while self.text[self.at : self.at + 1] in {" ", "\t"}:
            self.at += 1
        raw = self.text[self.at : self.at + 1]
        words, self.at = WordReader(self.text, self.at, self.scope).word()
        target = " ".join(words)
        if operator in {"<<", "<<-"}:
            self.heredocs.append((operator == "<<-", target, self.draft))
        elif operator == "<<<":
            self.draft.stdin = target
        elif raw:
            self.draft.redirects.append((operator.lstrip("&").replace(">|", ">"), target))

    def _process_substitution(self) -> None:
        sign, start = self.text[self.at], self.at + 2
        pipelines, self.at = _read_nested(self.text, start, self.scope)
        self.scope.nested += pipelines
        printed = self.scope.output_of(pipelines)
        if sign == "<" and printed is not None:
            self.draft.stdin = printed
        self.draft.words.append(f"{sign}({' '.join(self.text[start : self.at - 1].split())})")

    def _heredoc_bodies(self) -> None:
        for strip_tabs, terminator, draft in self.heredocs:
            body: list[str] = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = end + 1
                line = line.lstrip("\t") if strip_tabs else line
                if line == terminator:
                    break
                body.append(line)
            draft.stdin = "\n".join(body)
        self.heredocs.clear()

    def _end_command(self) -> None:
        if self.draft.words or self.draft.redirects:
            self._note_values(self.draft.words)
            self.pipeline.append(self.draft)
        self.draft = _Draft()

    def _end_pipeline(self) -> None:
        self._end_command()
        if self.pipeline:
            self.done.append(self.pipeline)
        self.pipeline = []

    def _note_values(self, words: list[str]) -> None:
        """Remember what variables are set to, so that later uses can be written out."""
        words = _without_keywords(words)
        if words[:1] == ["for"] and words[2:3] == ["in"]:
            self.scope.variables[words[1]] = SPLIT.join(words[3:])
        elif words[:2] == ["printf", "-v"] and len(words) == 4:
            self.scope.variables[words[2]] = words[3]
        for word in words[1:] if words and words[0] in _DECLARING else words:
            match = _ASSIGNMENT.fullmatch(word)
            if match is None:
                break
            before = self.scope.variables.get(match[1], "") if "+=" in word[: match.start(2)] else ""
            self.scope.variables[match[1]] = before + match[2]


def _without_keywords(words: list[str]) -> list[str]:
    start = next((place for place, word in enumerate(words) if word not in _SKIPPED), len(words))
    return words[start:]


def _simple(draft: _Draft) -> Simple:
    """Without keywords and without the assignments before a command; assignments alone stay."""
    words = _without_keywords(draft.words)
    start = next((place for place, word in enumerate(words) if not _ASSIGNMENT.fullmatch(word)), 0)
    return Simple(tuple(words[start:]), tuple(draft.redirects), draft.stdin)
