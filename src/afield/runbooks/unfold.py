"""Every command that a script may run, one line each, as the policy's patterns want to see it. Pure.

Commands behind `sudo`, `env`, `xargs`, `find -exec`, `bash -c`, `eval`, here-documents and pipes into a shell are
unfolded; programs lose their folder, paths their detours.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from afield.runbooks.programs import CODE_AFTER_C, INTERPRETERS, READS_COMMANDS, SQL_CLIENTS, WRAPPERS
from afield.runbooks.shell_commands import read_script
from afield.runbooks.shell_output import output_of
from afield.runbooks.shell_words import MOST_DEPTH, UNKNOWN_END, Pipeline, Simple, TooDeepError

MOST_COMMANDS = 5_000
MOST_PIPED = 10  # programs of a pipeline that are followed
MOST_LINE = 8_192
_LITERAL = re.compile(r"'''(.*?)'''|\"\"\"(.*?)\"\"\"|'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|`([^`]*)`", re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_UNKNOWN = re.compile(rf"\$(?:\([^()]*\)|\w+{UNKNOWN_END})")
_EXEC = frozenset({"-exec", "-execdir", "-ok", "-okdir"})


@dataclass(slots=True)
class Unfolded:
    """The commands of a script."""

    lines: list[str] = field(default_factory=list)
    gave_up: bool = False  # there is more than was followed


def unfold(script: str, known: Mapping[str, str]) -> Unfolded:
    """All commands of a script; `known` are variables whose values are known beforehand."""
    unfolding = _Unfolding(known)
    unfolding.script(script, 0)
    return unfolding.found


@dataclass(slots=True)
class _Unfolding:
    known: Mapping[str, str]
    found: Unfolded = field(default_factory=Unfolded)

    def script(self, text: str, depth: int) -> None:
        if depth > MOST_DEPTH or len(self.found.lines) > MOST_COMMANDS:
            self.found.gave_up = True
            return
        try:
            pipelines = read_script(text, output_of, self.known, depth)
        except TooDeepError:
            self.found.gave_up = True
            return
        for pipeline in pipelines:
            self._pipeline(pipeline, depth)

    def _pipeline(self, pipeline: Pipeline, depth: int) -> None:
        for place, simple in enumerate(pipeline):
            given = simple.stdin
            if given is None and place:
                given = output_of([pipeline[:place]]) if place <= MOST_PIPED else None
                self._read_by_shell(simple, pipeline[:place], known=given is not None)
            self._command(Simple(simple.words, simple.redirects, given), depth)

    def _read_by_shell(self, simple: Simple, before: Pipeline, *, known: bool) -> None:
        """Note when a shell is fed by a program: one whose output nobody can know, or one that decodes something."""
        words = _unwrapped(simple.words)
        given_script = any(not word.startswith("-") or word in {"-c", "-e"} for word in words[1:])
        reads = _program(words) in READS_COMMANDS - {"ssh"} | INTERPRETERS - {"awk", "gawk", "mawk"}
        if not reads or (given_script and words[1:2] != ["-s"]):
            return
        line = f"{' | '.join(map(_line, before[:MOST_PIPED]))} | {_program(words)}"
        if not known:
            self.found.lines.append(f"<unseen> {line}")
        elif len(before) > 1:
            self.found.lines.append(f"<decoded> {line}")

    def _command(self, simple: Simple, depth: int) -> None:
        """One command, and whatever it runs in turn."""
        line = _line(simple)
        self.found.lines.append(line[:MOST_LINE])
        self.found.gave_up |= len(line) > MOST_LINE
        words = list(simple.words)
        if not words:
            return
        certain = _UNKNOWN.sub("", words[0])
        if certain and certain != words[0]:  # as it is if the variable is not set
            self._command(Simple((certain, *words[1:]), simple.redirects, simple.stdin), depth + 1)
        inner = _inner(words, simple.stdin)
        if inner and depth < MOST_DEPTH:
            self._command(Simple(tuple(inner), simple.redirects, simple.stdin), depth + 1)
        for code in _codes(words, simple.stdin):
            self.script(code, depth + 1)


def _inner(words: list[str], given: str | None) -> list[str]:
    """The command that this command runs, if it is in its words."""
    program = _program(words)
    if program == "find":
        start = next((place for place, word in enumerate(words) if word in _EXEC), len(words))
        base = next((word for word in words[1:] if not word.startswith("-")), ".")
        return [word.replace("{}", f"{base}/{{}}") for word in words[start + 1 :] if word not in {";", "+"}]
    if program not in WRAPPERS:
        return []
    inner = _unwrapped(words, once=True)
    return inner + (given.split() if program == "xargs" and given and inner else [])


def _unwrapped(words: tuple[str, ...] | list[str], *, once: bool = False) -> list[str]:
    """The command behind `sudo -u app`, `env A=b`, `timeout 5` and the like."""
    rest = list(words)
    while rest and _program(rest) in WRAPPERS:
        wrapper = WRAPPERS[_program(rest)]
        place, before = 1, wrapper.before
        while place < len(rest):
            word = rest[place]
            if word.startswith("-") and len(word) > 1:
                place += 2 if len(word) == 2 and word[1] in wrapper.with_value else 1
            elif _ASSIGNMENT.match(word):
                place += 1
            elif before:
                place, before = place + 1, before - 1
            else:
                break
        rest = rest[place:]
        if once:
            break
    return rest


def _codes(words: list[str], given: str | None) -> list[str]:
    """Texts that this command runs as scripts."""
    program = _program(words)
    codes: list[str] = []
    if program in CODE_AFTER_C:
        codes += [words[place + 1] for place, word in enumerate(words[:-1]) if re.fullmatch(r"-[a-z]*c", word)]
    if program == "eval":
        codes.append(" ".join(words[1:]))
    elif program == "env" and "-S" in words:
        codes.append(" ".join(words[words.index("-S") + 1 :]))
    elif program == "trap":
        codes += words[1:2]
    elif program == "ssh":
        codes.append(" ".join(words[2:]))
    elif program in INTERPRETERS:
        code = " ".join(words[1:]) + "\n" + (given or "")
        codes += ["".join(match.groups("")) for match in _LITERAL.finditer(code)]
    if given is not None and program in READS_COMMANDS:
        codes.append(given)
    return codes


def _program(words: tuple[str, ...] | list[str]) -> str:
    if not words or _ASSIGNMENT.match(words[0]):
        return words[0] if words else ""
    name = posixpath.basename(words[0])
    return re.sub(r"^(python|perl|ruby|php|lua)[\d.]+$", r"\1", name)


def _line(simple: Simple) -> str:
    """A command on one line: `program arguments > file <<< input`."""
    words = [_program(simple.words), *map(_straight, simple.words[1:])] if simple.words else []
    parts = words + [part for sign, target in simple.redirects for part in (sign.strip("&"), _straight(target))]
    if simple.stdin is not None and _program(simple.words) in SQL_CLIENTS | INTERPRETERS:
        parts += ["<<<", simple.stdin]
    return " ".join(" ".join(parts).replace(UNKNOWN_END, "").split())


def _straight(word: str) -> str:
    """A path without `//`, `/./` and `/../`."""
    name, equals, path = word.rpartition("=")
    if not path.startswith("/"):
        return word
    return name + equals + "/" + posixpath.normpath(path).lstrip("/")
