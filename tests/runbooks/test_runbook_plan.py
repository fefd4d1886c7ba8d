"""What a runbook becomes when it is started: exactly what runs, where, and who has to approve it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from afield.connectors.registry import check_spec
from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonValue
from afield.model.session import OnFail, Phase, StepKind
from afield.model.target import Target
from afield.runbooks.inputs import bind
from afield.runbooks.plan import SessionPlan, Start, plan_session, target_names
from afield.runbooks.service import refuse_blocked
from afield.runbooks.versions import understood

TENANT = UUID(int=1)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
HEAD = """# Disk full

```yaml
runbook_id: disk-full
version: 1.0.0
title: Disk full
service: shop
env: {env}
risk: {risk}
owner: platform
inputs:
  - name: days
    type: integer
    default: 7
  - name: folder
    type: path
    default: /var/log/app
{steps}
```
"""


def target(name: str, connector: str = "azure_vm") -> Target:
    number = sum(map(ord, name))
    return Target(id=UUID(int=number), tenant_id=TENANT, connector=connector, name=name, address={}, created_at=NOW)


def planned(steps: str, *lanes: Target, env: str = "dev", risk: str = "low", **inputs: JsonValue) -> SessionPlan:
    runbook = understood(HEAD.format(env=env, risk=risk, steps=steps))
    named = {name: target(name, name.partition("-")[0]) for name in target_names(runbook)}
    start = Start(
        runbook=runbook, inputs=bind(runbook, inputs), lanes=lanes or (target("web-01"),), named=named, started_by="ada"
    )
    return plan_session(start)


CLEAN = """steps:
  - name: Clean up
    command: find {{ folder }} -mtime +{{ days }} -print
    expected_output: done in {{ folder }}
    on_fail: rollback
    retries: 2
    timeout: 90s
    rollback: echo restored
"""


def test_a_command_gets_its_values_quoted_and_as_variables() -> None:
    (one,) = planned(CLEAN, folder="/var/it's here", days=3).session.steps
    assert one.work.spec["script"] == """find '/var/it'"'"'s here' -mtime +'3' -print"""
    env = one.work.spec["env"]
    assert isinstance(env, dict)
    assert (env["INPUT_DAYS"], env["INPUT_FOLDER"]) == ("3", "/var/it's here")
    assert one.expected_output == "done in /var/it's here"
    assert (one.on_fail, one.retries, one.work.spec["timeout_s"]) == (OnFail.ROLLBACK, 2, 90.0)
    assert one.undo is not None
    assert one.undo.work.spec["script"] == "echo restored"
    assert (one.work.timeout_s or 0) > 90, "the machine's own time-out comes first"


def test_every_spec_is_one_that_its_connector_takes() -> None:
    steps = (
        CLEAN
        + """  - name: Count
    type: query
    target: postgres-orders
    query: select count(*) from orders where day > {{ days }}
  - name: Tell
    type: http
    target: http-desk
    method: POST
    url: /notes/{{ days }}
    body: {days: "{{ days }}", text: "cleaned {{ folder }}"}
"""
    )
    plan = planned(steps)
    for one in plan.steps:
        assert one.target is not None
        assert check_spec(one.target.connector, one.step.work.spec)
    query, tell = plan.session.steps[1:]
    assert query.work.spec["parameters"] == {"days": 7}
    assert tell.work.spec["path"] == "/notes/7"


def test_checks_only_read() -> None:
    steps = "prechecks:\n  - {name: Look, type: query, target: postgres-a, query: select 1}\n" + CLEAN
    look, _ = planned(steps).session.steps
    assert (look.phase, look.work.spec["read_only"]) == (Phase.PRECHECK, True)


def test_each_target_gets_a_lane_of_its_own() -> None:
    plan = planned(CLEAN, target("a"), target("b"))
    assert [(one.step.lane, one.target and one.target.name) for one in plan.steps] == [(0, "a"), (1, "b")]
    assert plan.session.title == "Disk full on a, b"


def test_people_are_asked_what_the_runbook_says() -> None:
    steps = """steps:
  - {name: Look, type: manual, description: "Look at {{ folder }}"}
  - {name: Go, type: approval, question: "Delete {{ days }} days?", approvers: 2, other_than_starter: true}
""" + CLEAN.removeprefix("steps:\n")
    look, go, clean = planned(steps, risk="high").session.steps
    assert (look.kind, look.work.text, look.rule.needed) == (StepKind.MANUAL, "Look at /var/log/app", 1)
    assert (go.kind, go.rule.needed, go.rule.other_than_starter) == (StepKind.APPROVAL, 2, True)
    assert clean.rule.other_than_starter, "where the risk is high, nobody approves their own session"


def test_what_is_destructive_is_approved_or_forbidden() -> None:
    (asked,) = planned("steps:\n  - {name: Drop, command: rm -rf /var/lib/app/cache}\n", env="prod").session.steps
    assert asked.rule.needed == 1
    blocked = planned("steps:\n  - {name: Drop, command: rm -rf /}\n", env="prod")
    assert [one.step.name for one in blocked.blocked] == ["Drop"]
    with pytest.raises(InvalidInputError, match="'Drop'"):
        refuse_blocked(blocked)


def test_what_is_undone_is_judged_too() -> None:
    steps = "steps:\n  - {name: Harmless, command: echo, rollback: mkfs.ext4 /dev/sda}\n"
    assert planned(steps, env="prod").blocked


@pytest.mark.parametrize(
    ("steps", "lane", "problem"),
    [
        (CLEAN, target("desk", "http"), "'Clean up' cannot run on 'desk'"),
        ("steps:\n  - {name: Ask, type: query, query: select 1}\n", target("web-01"), "'Ask' cannot run"),
        ("steps:\n  - {name: Call, type: http, url: /x}\n", target("web-01", "local"), "'Call' cannot run"),
    ],
)
def test_a_step_for_the_wrong_kind_of_target_is_refused(steps: str, lane: Target, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        planned(steps, lane)
