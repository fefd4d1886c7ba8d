"""What is suspicious about one command text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from afield.runbooks.format import Source
from afield.runbooks.model import Shell
from afield.runbooks.placeholders import open_at_end
from afield.runbooks.problems import Level, Path, Problem, path_text
from afield.runbooks.unfold import unfold


@dataclass(frozen=True, slots=True)
class _Rule:
    """An expression for one unfolded command, and what to say of it."""

    code: str
    expression: re.Pattern[str]
    message: str
    hint: str


_RULES = (
    _Rule(
        "interactive",
        re.compile(r"^(?:(?:vim?|nano|emacs|less|more|htop|watch|man|dialog|whiptail)(?: |$)|top(?! .*-\w*b)\b)"),
        "waits for a person at a terminal, and there is none.",
        "Use a form that prints and ends: `cat`, `top -b -n 1`, `sed -i`.",
    ),
    _Rule(
        "interactive",
        re.compile(r"^(?:read (?:.* )?-\w*p|read(?: -r)?(?: \w+)?$|select )"),
        "may wait for somebody to type something.",
        "Declare an input instead; a `read` is fine where the script itself feeds it.",
    ),
    _Rule(
        "asks_back",
        re.compile(
            r"^(?:apt|apt-get|yum|dnf) (?!.*(?:-\w*y|--yes|--assume-yes|-s\b|--assumeno)).*(?:install|remove|upgrade)\b"
        ),
        "asks for confirmation.",
        "Add -y.",
    ),
    _Rule(
        "sudo_asks",
        re.compile(r"^sudo (?!(?:\S+ )*?(?:-\w*n|--non-interactive)\b)"),
        "may ask for a password and wait for ever.",
        "Write `sudo -n`; it fails at once where a password is needed.",
    ),
    _Rule(
        "follows",
        re.compile(r"^(?:tail (?:.* )?(?:-\w*[fF]|--follow)|journalctl (?:.* )?(?:-\w*f|--follow)|ping (?!.*-\w*c))"),
        "never ends by itself.",
        "Print a number of lines instead (`tail -n 50`, `ping -c 3`).",
    ),
)
_WINDOWS = re.compile(
    r"(?im)^\s*(?:(?:Get|Set|New|Remove|Start|Stop|Restart|Invoke)-[A-Z]\w+|\$env:\w+|ipconfig\b)|[A-Z]:\\\w"
)
_LINUX = re.compile(r"(?m)^\s*(?:sudo|systemctl|apt-get|chmod|grep|awk|sed)\s|^#!.*\bsh\b|(?:^|\s)/(?:etc|var|usr)/")


def command_problems(command: str, shell: Shell, path: Path, source: Source) -> Iterator[Problem]:
    """Warnings about a command, and errors for one that no shell can read."""
    if shell is Shell.BASH:
        yield from _bash_problems(command, path, source)
    foreign = _WINDOWS if shell is Shell.BASH else _LINUX
    match = foreign.search(command)
    if match:
        at = source.place_inside(path, command.count("\n", 0, match.start()))
        message = f"{match[0].strip()!r} does not look like {shell}."
        hint = f"Say `shell: {Shell.POWERSHELL if shell is Shell.BASH else Shell.BASH}` if that is what runs it."
        yield Problem(*at, Level.WARNING, "other_shell", message, hint, path_text(path))
    if command.rstrip(" \t\n").endswith("\\" if shell is Shell.BASH else "`"):
        at = source.place_inside(path, command.rstrip().count("\n"))
        message = "The command ends with a sign that continues the line, and no line follows."
        yield Problem(*at, Level.ERROR, "trailing_continuation", message, "Take it out.", path_text(path))


def _bash_problems(command: str, path: Path, source: Source) -> Iterator[Problem]:
    still_open = open_at_end(command)
    if still_open:
        message = f"{still_open!r} is opened and never closed."
        yield source.problem(Level.ERROR, "unbalanced", message, path, "Check quotes, brackets and here-documents.")
    for number, line in enumerate(command.split("\n")):
        if re.search(r"\\[ \t]+$", line):
            at = source.place_inside(path, number)
            message = "Blanks behind the backslash keep it from continuing the line."
            yield Problem(*at, Level.WARNING, "blank_after_backslash", message, "Take them out.", path_text(path))
    for line in dict.fromkeys(unfold(command, {}).lines):
        for rule in _RULES:
            if rule.expression.search(line):
                message = f"`{line[:80]}` {rule.message}"
                yield source.problem(Level.WARNING, rule.code, message, path, rule.hint)
