"""Reading runbooks and judging their writing: every problem with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afield.runbooks.format import MOST_BYTES, parse, runbook_schema
from afield.runbooks.lint import lint
from afield.runbooks.model import ApprovalStep, CommandStep, HttpStep, ManualStep, QueryStep
from afield.runbooks.problems import Level, Problem

HEAD = """runbook_id: x
version: 1.0.0
title: t
service: s
env: dev
risk: low
owner: o
"""
STEP = """  - name: {name}
    command: {command}
    expected_output: x
    timeout: 5s
"""


def a_text(body: str, head: str = HEAD) -> str:
    """The block's first line is the document's fourth."""
    return f"# Title\n\n```yaml\n{head}{body}```\n\nMore words.\n"


def a_step(command: str = "ls", name: str = "a", more: str = "") -> str:
    extra = "".join(f"    {line}\n" for line in more.splitlines())
    return STEP.format(command=command, name=name) + extra


def found(body: str, head: str = HEAD) -> list[tuple[int, str]]:
    return [(problem.line, problem.code) for problem in lint(a_text(body, head))]


FULL = """inputs:
  - {name: host, type: hostname, required: true}
prechecks:
  - name: look
    type: http
    url: /health/{{ host }}
    expected_status: [200, 204]
    timeout: 10
steps:
  - name: change
    command: |
      ls {{ host }}
    expected_output: /a+/
    timeout: 1m 30s
    on_fail: rollback
    severity: critical
    requires_approval: true
    approvers: 2
    other_than_starter: true
    retries: 2
    target: web-1
    rollback: {command: undo, timeout: 2m, on_fail: continue}
  - name: by hand
    type: manual
    description: Pull the plug.
  - name: sure
    type: approval
    question: Go on?
  - name: count
    type: query
    query: select count(*) from t where host = {{ host }}
    expected_output: "3"
    timeout: 1h
    rollback: delete from u where id = 1
postchecks: []
"""


def test_a_whole_runbook() -> None:
    parsed = parse(a_text(FULL))
    assert parsed.problems == ()
    assert parsed.runbook is not None
    look, change = parsed.runbook.prechecks[0], parsed.runbook.steps[0]
    assert isinstance(look, HttpStep)
    assert (look.method, look.expected_status, look.timeout) == ("GET", (200, 204), 10)
    assert isinstance(change, CommandStep)
    assert change.rollback is not None
    assert (change.timeout, change.approvers, change.rollback.timeout) == (90, 2, 120)
    assert [type(step) for step in parsed.runbook.steps[1:]] == [ManualStep, ApprovalStep, QueryStep]
    assert [step.name for _, _, step in parsed.runbook.all_steps()] == ["look", "change", "by hand", "sure", "count"]
    assert lint(a_text(FULL)) == []


@pytest.mark.parametrize(
    "text",
    [
        "---\n{block}---\nWords.",
        "---\r\n{block}---\r\n",
        "~~~yml\n{block}~~~\n",
        "````yaml\n{block}````\n",
        "```sh\nls\n```\n\n```yaml\n{block}",
        "```yaml\na: 1\n```\n\n```yaml runbook\n{block}```",
    ],
)
def test_where_the_block_may_be(text: str) -> None:
    assert parse(text.format(block=HEAD + "steps:\n" + a_step())).problems == ()


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("", 1, "no_block"),
        ("# Words only", 1, "no_block"),
        ("```yaml\n```", 2, "not_a_mapping"),
        ("```yaml\n- a\n```", 2, "not_a_mapping"),
        ("```yaml\na: 1\n```\n```yaml\nb: 1\n```", 4, "several_blocks"),
        ("\n```yaml\na: [1\nb: 2\n```", 4, "yaml"),
        ("```yaml\na: 1\n\tb: 2\n```", 3, "yaml"),
        ("```yaml\na: b: c\n```", 2, "yaml"),
        ("```yaml\na: 1\nb: \x07\n```", 3, "yaml"),
        ("```yaml\na: 1\nb: !!python/object/apply:os.system [ls]\n```", 3, "yaml"),
        ("```yaml\na: 1\n---\nb: 2\n```", 3, "yaml"),
        ("```yaml\n" + "[" * 5_000 + "\n```", 2, "too_much"),
        ("```yaml\n" + "[1, " * 12_000 + "\n```", 2, "too_much"),
        ("```yaml\na: &a [*a]\n```", 2, "too_much"),
        ("x" * (MOST_BYTES + 1), 1, "too_large"),
        ("a\n\ud800", 2, "not_text"),
    ],
)
def test_what_cannot_be_read(text: str, line: int, code: str) -> None:
    (problem,) = parse(text).problems
    assert (problem.line, problem.code, problem.severity) == (line, code, Level.ERROR)


def test_aliases_are_fine_and_bombs_are_not() -> None:
    step = "  - &a {name: a, command: ls, timeout: 5s, expected_output: x}\n  - {<<: *a, name: b}\n"
    assert parse(a_text("steps:\n" + step)).problems == ()
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9))
    assert [problem.code for problem in parse(a_text(bomb)).problems] == ["too_much"]
    chain = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(500))
    assert [problem.code for problem in parse(a_text(chain)).problems] == ["too_much"]


def test_every_mistake_has_the_line_of_its_key() -> None:
    head = HEAD.replace("1.0.0", "1.0").replace("risk: low", "risk: lowish") + "owner: p\n"
    body = """inputs:
  - name: Wrong-Name
steps:
  - name: a
    comand: ls
    timeout: soon
    rollback: {timeout: 0}
  - name: b
    type: nope
  - 3
  - name: c
    type: approval
    question: why?
    command: ls
"""
    problems = parse(a_text(body, head)).problems
    assert [(problem.line, problem.path) for problem in problems] == [
        (5, "version"),
        (9, "risk"),
        (11, ""),
        (13, "inputs[0].name"),
        (15, "steps[0].command"),
        (16, "steps[0].comand"),
        (17, "steps[0].timeout"),
        (18, "steps[0].rollback.command"),
        (18, "steps[0].rollback.timeout"),
        (20, "steps[1].type"),
        (21, "steps[2]"),
        (25, "steps[3].command"),
    ]
    assert problems[0].hint.startswith("Put it in quotes")
    assert "twice" in problems[2].message
    assert "seconds" in problems[6].message


def test_dates_stay_text_and_endless_numbers_are_refused() -> None:
    assert parse(a_text("steps:\n" + a_step(), HEAD.replace("title: t", "title: 2026-01-02"))).problems == ()
    body = 'inputs:\n  - {name: n, type: number, default: .inf}\nsteps:\n  - {name: a, command: "a\\0b"}\n'
    assert [(p.line, p.code) for p in parse(a_text(body)).problems] == [(12, "not_a_number"), (14, "nul_character")]


@given(st.text(max_size=300) | st.text("abc: -[]{}&*!|>'\"%@`#\n\t ", max_size=80))
@settings(deadline=None)
def test_any_text_gets_an_answer(text: str) -> None:
    assert parse(text).runbook is None
    lint(f"```yaml\n{HEAD}{text}\n```")


def test_the_schema_is_json_and_knows_all_step_types() -> None:
    schema = json.dumps(runbook_schema())
    assert {"CommandStep", "HttpStep", "QueryStep", "ManualStep", "ApprovalStep"} <= set(runbook_schema()["$defs"])  # type: ignore[arg-type]
    assert "https://json-schema.org/draft/2020-12/schema" in schema


def test_a_problem_as_json() -> None:
    problem = Problem(1, 2, Level.ERROR, "c", "m", "h", "p")
    assert list(problem.to_json().values()) == [1, 2, "error", "c", "m", "h", "p"]


INPUT = "inputs:\n  - name: x\n"

LINTED = [
    # the block of `steps:` begins at line 11; with INPUT before it at line 13
    ("steps:\n" + a_step("ls {{ y }}"), [(13, "unknown_placeholder")]),
    (INPUT + "steps:\n" + a_step("ls '{{ x }}'"), [(15, "unsafe_placeholder")]),
    (INPUT + "steps:\n" + a_step("|\n      ls\n      echo '{{ x }}'"), [(17, "unsafe_placeholder")]),
    (INPUT + "steps:\n" + a_step('ls "$INPUT_X"'), []),
    (INPUT + "steps:\n" + a_step("ls"), [(12, "unused_input")]),
    ("inputs:\n  - {name: x, pattern: '('}\nsteps:\n" + a_step("ls {{ x }}"), [(12, "bad_pattern")]),
    ("inputs:\n  - {name: x, type: integer, default: a}\nsteps:\n" + a_step("ls {{ x }}"), [(12, "bad_default")]),
    (
        "inputs:\n  - name: x\n  - name: x\nsteps:\n" + a_step("ls {{ x }}"),
        [(12, "duplicate_input"), (13, "duplicate_input")],
    ),
    ("steps:\n" + a_step() + a_step(name="A"), [(16, "duplicate_step")]),
    ("steps:\n" + a_step(more="on_fail: rollback"), [(16, "no_rollback")]),
    ("prechecks:\n" + a_step(more="on_fail: rollback") + "steps:\n" + a_step(name="b"), [(16, "rollback_in_precheck")]),
    ("steps:\n" + a_step() + "postchecks:\n" + a_step(name="b", more="rollback: ls"), [(21, "rollback_of_check")]),
    ("steps:\n  - {name: a, command: ls}\n", [(12, "no_expected_output"), (12, "no_timeout")]),
    ("steps:\n" + a_step(more="approvers: 2"), [(16, "approval_unused")]),
    ("prechecks:\n" + a_step("touch x") + "steps:\n" + a_step(name="b"), [(12, "check_writes")]),
    ("prechecks:\n" + a_step("ls > list") + "steps:\n" + a_step(name="b"), [(12, "check_writes")]),
    ("prechecks:\n" + a_step("mkdir -p x && ls 2>&1 > /dev/null") + "steps:\n" + a_step(name="b"), []),
    ("steps:\n" + a_step("rm -rf /"), [(12, "blocked_command")]),
    ("steps:\n" + a_step("reboot"), [(12, "destructive_command")]),
    ("steps:\n" + a_step("reboot", more="requires_approval: true"), []),
    ("steps:\n" + a_step(more="rollback: rm -f /etc/x"), [(16, "destructive_command")]),
    ("steps:\n" + a_step("vim file"), [(13, "interactive")]),
    ("steps:\n" + a_step("top"), [(13, "interactive")]),
    ("steps:\n" + a_step("top -b -n 1"), []),
    ("steps:\n" + a_step("read -r answer"), [(13, "interactive")]),
    ("steps:\n" + a_step("cat x | while IFS= read -r a b; do echo $a; done"), []),
    ("steps:\n" + a_step("sudo ls"), [(13, "sudo_asks")]),
    ("steps:\n" + a_step("sudo -n ls && sudo -u app -n ls"), []),
    ("steps:\n" + a_step("tail -f x"), [(13, "follows")]),
    ("steps:\n" + a_step("apt-get install jq"), [(13, "asks_back")]),
    ("steps:\n" + a_step("Get-Service app"), [(13, "other_shell")]),
    ("steps:\n" + a_step("Get-Service app", more="shell: powershell"), []),
    ("steps:\n" + a_step("sudo ls", more="shell: powershell"), [(13, "other_shell")]),
    ("steps:\n" + a_step("|\n      ls\n      ls \\"), [(15, "trailing_continuation")]),
    ("steps:\n" + a_step("|\n      ls \\  \n        -l"), [(14, "blank_after_backslash")]),
    ("steps:\n" + a_step("""echo it's"""), [(13, "unbalanced")]),
    ("steps:\n" + a_step().replace(": x", ": /(/"), [(14, "bad_expression")]),
]


@pytest.mark.parametrize(("body", "expected"), LINTED)
def test_what_lint_says(body: str, expected: list[tuple[int, str]]) -> None:
    assert found(body) == expected


def test_high_risk_needs_an_approval() -> None:
    head = HEAD.replace("risk: low", "risk: high")
    assert found("steps:\n" + a_step(), head) == [(9, "no_approval")]
    assert found("steps:\n" + a_step(more="requires_approval: true"), head) == []


def test_errors_are_errors_and_hints_are_hints() -> None:
    levels = {problem.code: problem.severity for body, _ in LINTED for problem in lint(a_text(body))}
    assert levels["unknown_placeholder"] is levels["unsafe_placeholder"] is levels["no_rollback"] is Level.ERROR
    assert levels["unused_input"] is levels["destructive_command"] is levels["no_timeout"] is Level.WARNING
    assert levels["no_expected_output"] is Level.INFO


def test_the_documented_format_is_the_real_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "runbook-format.md").read_text(encoding="utf-8")
    example = page.split("<!-- example -->")[1]
    assert lint(example.replace("````markdown", "").replace("````", "")) == []
