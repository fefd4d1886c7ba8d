"""The policy of destructive commands: what may run as it is, what a person has to approve, what may not run. Pure.

It reads text. What a script computes while it runs, it cannot know: docs/destructive-commands.md says what escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from afield.runbooks import patterns, render
from afield.runbooks.inputs import Bound
from afield.runbooks.model import AnyRollback, AnyWork, CommandWork, Environment, QueryWork, Shell
from afield.runbooks.patterns import Pattern, Verdict
from afield.runbooks.unfold import MOST_LINE, unfold

__all__ = ["Judgement", "PolicyMatch", "Verdict", "judge", "judge_query", "judge_work"]

MOST_SHOWN = 200
_RANK = {Verdict.OK: 0, Verdict.NEEDS_APPROVAL: 1, Verdict.BLOCKED: 2}
_SQL_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_SQL_TEXT = re.compile(r"'(?:[^']|'')*'")


@dataclass(frozen=True, slots=True)
class PolicyMatch:
    """One reason for a verdict."""

    pattern: str
    verdict: Verdict
    why: str
    command: str  # what matched, as it was understood


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the policy says. The verdict is the strictest of its matches."""

    verdict: Verdict = Verdict.OK
    matches: tuple[PolicyMatch, ...] = ()


def judge(
    command: str, env: Environment, *, shell: Shell = Shell.BASH, known: Mapping[str, str] | None = None
) -> Judgement:
    """Judge a script; `known` are environment variables it will get."""
    if shell is Shell.POWERSHELL:
        return _judgement(_lines_judged(patterns.POWERSHELL, command.split("\n"), env))
    unfolded = unfold(command, known or {})
    found = _matches(patterns.COMMANDS, unfolded.lines, env)
    found += _matches(patterns.TEXTS, ["".join(command.split())], env)
    if unfolded.gave_up:
        found.append(_not_followed(command))
    return _judgement(found)


def judge_query(statements: str, env: Environment) -> Judgement:
    """Judge SQL."""
    bare = _SQL_TEXT.sub("''", _SQL_COMMENT.sub(" ", statements))
    lines = [" ".join(each.split()) for each in bare.split(";")]
    return _judgement(_lines_judged(patterns.STATEMENTS, lines, env))


def judge_work(
    work: AnyWork | AnyRollback, env: Environment, bound: Bound | None = None, shell: Shell = Shell.BASH
) -> Judgement:
    """Judge what a step or a rollback does; with the values it will have, if they are known.

    Raises InvalidInputError if a value cannot be filled in.
    """
    if isinstance(work, CommandWork):
        script = render.render_command(work, bound, shell).script if bound else work.command
        return judge(script, env, shell=shell, known=bound.env if bound else None)
    if isinstance(work, QueryWork):
        return judge_query(work.query, env)
    if work.method != "DELETE" or env is Environment.DEV:
        return Judgement()
    why = "It asks another system to remove something."
    return _judgement([PolicyMatch("http_delete", Verdict.NEEDS_APPROVAL, why, f"DELETE {work.url}"[:MOST_SHOWN])])


def _lines_judged(known: Iterable[Pattern], lines: list[str], env: Environment) -> list[PolicyMatch]:
    found = _matches(known, [line[:MOST_LINE] for line in lines], env)
    return found + [_not_followed(line) for line in lines if len(line) > MOST_LINE]


def _not_followed(text: str) -> PolicyMatch:
    why = "It nests deeper, is longer, or holds more commands, than can be followed."
    return PolicyMatch("too_intricate", Verdict.NEEDS_APPROVAL, why, text[:MOST_SHOWN])


def _matches(known: Iterable[Pattern], lines: list[str], env: Environment) -> list[PolicyMatch]:
    unique = list(dict.fromkeys(line for line in lines if line))
    return [
        PolicyMatch(pattern.id, pattern.verdict(env), pattern.why, line[:MOST_SHOWN])
        for line in unique
        for pattern in known
        if pattern.verdict(env) is not Verdict.OK and pattern.expression.search(line)
    ]


def _judgement(found: list[PolicyMatch]) -> Judgement:
    ordered = sorted(dict.fromkeys(found), key=lambda match: -_RANK[match.verdict])
    return Judgement(ordered[0].verdict if ordered else Verdict.OK, tuple(ordered))
