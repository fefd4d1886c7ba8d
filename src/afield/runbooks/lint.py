"""What is wrong with a runbook, or could be better, beyond its shape. Pure.

Errors keep a runbook from being approved; warnings and notes do not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

from afield.model.session import OnFail, Phase
from afield.runbooks.command_lint import command_problems
from afield.runbooks.format import Parsed, Source, parse
from afield.runbooks.inputs import PREFIX, WrongValueError, check, env_name
from afield.runbooks.model import (
    LIST_OF,
    AnyStep,
    ApprovalStep,
    CommandStep,
    CommandWork,
    HttpStep,
    ManualStep,
    QueryStep,
    Risk,
    Runbook,
    RunStep,
)
from afield.runbooks.placeholders import PLACEHOLDER, Spot
from afield.runbooks.policy import Verdict, judge_work
from afield.runbooks.problems import Level, Path, Problem
from afield.runbooks.render import instead, why_not
from afield.runbooks.slots import Slot, SlotKind, shell_of, slots, uses_of
from afield.runbooks.writes import first_write


def lint(text: str) -> list[Problem]:
    """Everything there is to say about a runbook, in the order of its lines."""
    return lint_parsed(parse(text))


def lint_parsed(parsed: Parsed) -> list[Problem]:
    """The same for a text that has been read already."""
    if parsed.runbook is None or parsed.source is None:
        return sorted(parsed.problems)
    found = [problem for rule in _RULES for problem in rule(parsed.runbook, parsed.source)]
    return sorted({*parsed.problems, *found})


def _located(runbook: Runbook) -> Iterator[tuple[Phase, Path, AnyStep]]:
    for phase, place, step in runbook.all_steps():
        yield phase, (LIST_OF[phase], place), step


def _slots(runbook: Runbook) -> Iterator[Slot]:
    for _, path, step in _located(runbook):
        yield from slots(step, path)


def _placeholders(runbook: Runbook, source: Source) -> Iterator[Problem]:
    declared = {each.name for each in runbook.inputs}
    for slot in _slots(runbook):
        for use in uses_of(slot):
            line, column = source.place_inside(slot.path, slot.text.count("\n", 0, use.start))
            shown = f"{{{{ {use.name} }}}}"
            if use.name not in declared:
                hint = f"Declared are: {', '.join(sorted(declared)) or 'none'}."
                problem = source.problem(Level.ERROR, "unknown_placeholder", f"{shown} is no input.", slot.path, hint)
            elif use.spot is not Spot.WORD:
                message = f"{shown} cannot be filled in there. {why_not(slot.kind, use.spot)}"
                hint = instead(slot.kind, use.name)
                problem = source.problem(Level.ERROR, "unsafe_placeholder", message, slot.path, hint)
            else:
                continue
            yield Problem(line, column, *_rest(problem))


def _rest(problem: Problem) -> tuple[Level, str, str, str, str]:
    return problem.severity, problem.code, problem.message, problem.hint, problem.path


def _inputs(runbook: Runbook, source: Source) -> Iterator[Problem]:
    names = Counter(each.name for each in runbook.inputs)
    used = _used_names(runbook)
    for place, each in enumerate(runbook.inputs):
        path: Path = ("inputs", place)
        if names[each.name] > 1:
            yield source.problem(Level.ERROR, "duplicate_input", f"There are two inputs {each.name!r}.", path)
        if not {each.name, env_name(each.name)} & used:
            message = f"The input {each.name!r} is never used."
            hint = f'Use {{{{ {each.name} }}}} or "${env_name(each.name)}", or take it out.'
            yield source.problem(Level.WARNING, "unused_input", message, path, hint)
        if each.pattern is not None and not _compiles(each.pattern):
            message = f"{each.pattern!r} is not a regular expression."
            yield source.problem(Level.ERROR, "bad_pattern", message, (*path, "pattern"))
        elif each.default is not None:
            try:
                check(each, each.default)
            except WrongValueError as error:
                message = f"The default of {each.name!r} {error}."
                yield source.problem(Level.ERROR, "bad_default", message, (*path, "default"))


def _used_names(runbook: Runbook) -> set[str]:
    """Names in placeholders, variables of commands, and words of commands that can only be an input's variable."""
    texts = [slot.text for slot in _slots(runbook)]
    commands = "\n".join(slot.text for slot in _slots(runbook) if slot.kind in {SlotKind.BASH, SlotKind.POWERSHELL})
    filled = {match[1] for match in PLACEHOLDER.finditer("\n".join(texts))}
    return filled | set(re.findall(r"\$\{?(\w+)", commands)) | set(re.findall(rf"\b{PREFIX}\w+", commands))


def _compiles(expression: str) -> bool:
    try:
        re.compile(expression)
    except re.error:
        return False
    return True


def _names(runbook: Runbook, source: Source) -> Iterator[Problem]:
    seen: set[str] = set()
    for _, path, step in _located(runbook):
        if step.name.casefold() in seen:
            hint = "People choose and report steps by name; give each its own."
            message = f"There is another step {step.name!r}."
            yield source.problem(Level.ERROR, "duplicate_step", message, (*path, "name"), hint)
        seen.add(step.name.casefold())


def _failure(runbook: Runbook, source: Source) -> Iterator[Problem]:
    for phase, path, step in _located(runbook):
        rollback = getattr(step, "rollback", None)
        if step.on_fail is OnFail.ROLLBACK and phase is Phase.PRECHECK:
            message = "A precheck comes before every step, so there is nothing to roll back."
            yield source.problem(Level.WARNING, "rollback_in_precheck", message, (*path, "on_fail"), "Use stop.")
        elif step.on_fail is OnFail.ROLLBACK and isinstance(step, RunStep) and phase is Phase.STEP and not rollback:
            message = f"{step.name!r} asks for a rollback when it fails, and does not say how it is undone."
            hint = "Add `rollback`, with a command that may also be run if the step was only half done."
            yield source.problem(Level.ERROR, "no_rollback", message, (*path, "on_fail"), hint)
        elif rollback and phase is not Phase.STEP:
            message = "Checks change nothing, so they need no rollback."
            yield source.problem(Level.WARNING, "rollback_of_check", message, (*path, "rollback"))


def _expectations(runbook: Runbook, source: Source) -> Iterator[Problem]:
    for _, path, step in _located(runbook):
        if not isinstance(step, RunStep):
            continue
        expected = step.expected_output
        if expected is None and not isinstance(step, HttpStep):
            message = f"{step.name!r} does not say what it should print; only its exit code will tell."
            yield source.problem(Level.INFO, "no_expected_output", message, path, "Add `expected_output`.")
        elif expected and len(expected) > 1 and expected[0] == expected[-1] == "/" and not _compiles(expected[1:-1]):
            message = f"{expected!r} is not a regular expression."
            yield source.problem(Level.ERROR, "bad_expression", message, (*path, "expected_output"))
        if step.timeout is None:
            message = f"{step.name!r} has no time-out of its own."
            yield source.problem(Level.WARNING, "no_timeout", message, path, 'Add `timeout`, for example "5m".')


def _approvals(runbook: Runbook, source: Source) -> Iterator[Problem]:
    approved = any(isinstance(step, ApprovalStep) or step.requires_approval for step in runbook.steps)
    if runbook.risk is Risk.HIGH and not approved:
        message = "The risk is high, and no step asks for an approval."
        hint = "Add a step of type approval, or `requires_approval: true` where the harm could be done."
        yield source.problem(Level.ERROR, "no_approval", message, ("risk",), hint)
    for _, path, step in _located(runbook):
        extra = {"approvers", "other_than_starter"} & step.model_fields_set
        if extra and not step.requires_approval and not isinstance(step, ApprovalStep):
            message = f"`{min(extra)}` says nothing without `requires_approval: true`."
            yield source.problem(Level.WARNING, "approval_unused", message, (*path, min(extra)))


def _policy(runbook: Runbook, source: Source) -> Iterator[Problem]:
    for _, path, step in _located(runbook):
        if not isinstance(step, CommandStep | QueryStep | HttpStep):
            continue
        for work, place in ((step, path), (step.rollback, (*path, "rollback"))):
            for match in judge_work(work, runbook.env, shell=shell_of(step)).matches if work else ():
                blocked = match.verdict is Verdict.BLOCKED
                if not blocked and (work or step).requires_approval:
                    continue
                message = f"{match.command}: {match.why}"
                code = "blocked_command" if blocked else "destructive_command"
                hint = (
                    f"It may not run in {runbook.env}. Narrow it down, or leave it to a manual step."
                    if blocked
                    else "It will wait for an approval; `requires_approval: true` says so to the reader."
                )
                yield source.problem(Level.ERROR if blocked else Level.WARNING, code, message, place, hint)


def _checks_only_read(runbook: Runbook, source: Source) -> Iterator[Problem]:
    for phase, path, step in _located(runbook):
        if phase is Phase.STEP or isinstance(step, ManualStep | ApprovalStep):
            continue
        changes = None
        if isinstance(step, CommandStep):
            changes = first_write(step.command)
        elif isinstance(step, HttpStep) and step.method not in {"GET", "HEAD"}:
            changes = f"{step.method} {step.url}"
        if changes:
            message = f"A check should only look, and this one changes something: {changes[:120]}"
            yield source.problem(Level.WARNING, "check_writes", message, path, "Make it a step.")


def _commands(runbook: Runbook, source: Source) -> Iterator[Problem]:
    for _, path, step in _located(runbook):
        for work, place in ((step, path), (getattr(step, "rollback", None), (*path, "rollback"))):
            if isinstance(work, CommandWork) and isinstance(step, RunStep):
                yield from command_problems(work.command, shell_of(step), (*place, "command"), source)


_RULES: tuple[Callable[[Runbook, Source], Iterator[Problem]], ...] = (
    _placeholders,
    _inputs,
    _names,
    _failure,
    _expectations,
    _approvals,
    _policy,
    _checks_only_read,
    _commands,
)
