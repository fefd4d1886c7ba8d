"""A step of a runbook's session that a person changes while the session is under way. Pure.

The policy judges the new command as it judged the old one: what it forbids is refused, and what needs an approval asks
for one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from afield.engine.control import step_of
from afield.errors import InvalidInputError
from afield.model.session import Session, SessionChange, Step, StepKind, Work
from afield.runbooks.model import Environment, Shell
from afield.runbooks.policy import Judgement, Verdict, judge

Change = Callable[[Work | None], SessionChange]


def amended(session: Session, steps: Sequence[Step], number: int, command: str | None, change: Change) -> SessionChange:
    """What `change` makes of the session when it is given the step's new work; None: the work stays as it is.

    Raises InvalidInputError when the step runs no command, or the policy forbids the new one; NotFoundError.
    """
    if command is None:
        return change(None)
    step = step_of(session, steps, number)
    judgements = judgements_of(session, step, command)
    _refuse_blocked(step, judgements)
    made = change(new_work(step, command))
    if all(judgement.verdict is Verdict.OK for judgement in judgements):
        return made
    return replace(made, steps=tuple(_asking(each) if each.number == number else each for each in made.steps))


def new_work(step: Step, command: str) -> Work:
    """The step's work with another command; its variables and its time-out stay. Raises InvalidInputError."""
    if step.kind is not StepKind.RUN or "script" not in step.work.spec:
        raise InvalidInputError(
            f"Step {step.number} ({step.name}) runs no command that could be changed.",
            hint="Skip it, or start another session.",
        )
    return replace(step.work, text=command, spec=step.work.spec | {"script": command})


def judgements_of(session: Session, step: Step, command: str) -> tuple[Judgement, ...]:
    """What the policy says of a command. A session does not tell its shells, so both have their say."""
    told, variables = session.data.get("env"), step.work.spec.get("env")
    env = Environment(told) if told in set(Environment) else Environment.PROD
    known = {name: str(value) for name, value in variables.items()} if isinstance(variables, dict) else {}
    return tuple(judge(command, env, shell=shell, known=known) for shell in Shell)


def _refuse_blocked(step: Step, judgements: Sequence[Judgement]) -> None:
    for judgement in judgements:
        for match in judgement.matches:
            if match.verdict is Verdict.BLOCKED:
                raise InvalidInputError(
                    f"The policy forbids this command of step {step.number}: {match.why}",
                    hint="The page on destructive commands says what is allowed where.",
                )


def _asking(step: Step) -> Step:
    return replace(step, rule=replace(step.rule, needed=max(step.rule.needed, 1)))
