"""The example runbooks, run for real: bash runs every script in order, and the rollbacks undo what it did."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from afield.model.jsontypes import JsonValue
from afield.runbooks.format import parse
from afield.runbooks.inputs import bind
from afield.runbooks.lint import lint
from afield.runbooks.model import CommandRollback, CommandStep, Runbook
from afield.runbooks.policy import Verdict, judge_work
from afield.runbooks.render import render_command, render_prose

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "runbooks").glob("*.md"))


def load(name: str) -> Runbook:
    path = next(path for path in EXAMPLES if path.stem == name)
    runbook = parse(path.read_text(encoding="utf-8")).runbook
    assert runbook is not None
    return runbook


class Machine:
    """A home folder, and bash. Scripts see nothing of this process's environment."""

    def __init__(self, home: Path, runbook: Runbook, inputs: Mapping[str, JsonValue]) -> None:
        self.home = home
        self.runbook = runbook
        self.bound = bind(runbook, inputs)

    def run(self, work: CommandStep | CommandRollback) -> subprocess.CompletedProcess[str]:
        rendered = render_command(work, self.bound)
        surroundings = {"HOME": str(self.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **rendered.env}
        return subprocess.run(
            ["/bin/bash", "-c", rendered.script],
            cwd=self.home,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def do(self, step: CommandStep) -> None:
        done = self.run(step)
        assert done.returncode == 0, (step.name, done.stdout, done.stderr)
        assert step.expected_output is not None, step.name
        expected = render_prose(step.expected_output, self.bound)
        found = re.search(expected[1:-1], done.stdout) if expected.startswith("/") else expected in done.stdout
        assert found, (step.name, done.stdout)

    def undo(self, steps: list[CommandStep]) -> None:
        for step in reversed(steps):
            assert step.rollback is not None, step.name
            done = self.run(step.rollback)
            assert done.returncode == 0, (step.name, done.stdout, done.stderr)

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.home.rglob("*") if path.is_file())
        return {str(path.relative_to(self.home)): path.read_bytes() for path in found}


def commands(runbook: Runbook, phase: str = "steps") -> list[CommandStep]:
    return [step for step in getattr(runbook, phase) if isinstance(step, CommandStep)]


def undoable(runbook: Runbook) -> list[CommandStep]:
    """The steps up to the first that cannot be undone."""
    steps = commands(runbook)
    end = next((place for place, step in enumerate(steps) if step.rollback is None), len(steps))
    return steps[:end]


def a_machine(name: str, home: Path, **inputs: JsonValue) -> Machine:
    """Folders of the runbook are below the home; what it needs to find there is there."""
    runbook = load(name)
    folders = {each.name: f"{home}/a folder/{each.name}" for each in runbook.inputs if each.type == "path"}
    sample = {each.name: True for each in runbook.inputs if each.name == "sample_data"}
    return Machine(home, runbook, {**folders, **sample, **inputs})


def seeded(machine: Machine, name: str, files: Mapping[str, str]) -> Machine:
    folder = Path(machine.bound.text(name))
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / file).write_text(text)
    return machine


@pytest.fixture
def worker_home(tmp_path: Path) -> Iterator[Path]:
    """A home whose worker is stopped afterwards, whatever the test did."""
    yield tmp_path
    machine = a_machine("service-restart", tmp_path)
    machine.run(commands(machine.runbook)[-1].rollback)  # type: ignore[arg-type]


def test_there_are_five() -> None:
    assert len(EXAMPLES) == 5


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_nothing_is_wrong_with_it(path: Path) -> None:
    assert lint(path.read_text(encoding="utf-8")) == []
    runbook = load(path.stem)
    assert {step.type for step in runbook.steps} == {"command", "approval"}
    assert runbook.prechecks
    assert runbook.postchecks
    assert all(each.default is not None for each in runbook.inputs)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_bash_can_read_every_script_and_the_policy_blocks_none(path: Path) -> None:
    runbook = load(path.stem)
    bound = bind(runbook, {})
    for _, _, step in runbook.all_steps():
        for work in (step, getattr(step, "rollback", None)):
            if isinstance(work, CommandStep | CommandRollback):
                script = render_command(work, bound).script
                read = subprocess.run(["/bin/bash", "-n", "-c", script], capture_output=True, text=True, check=False)
                assert (read.returncode, read.stderr) == (0, ""), step.name
                assert judge_work(work, runbook.env, bound).verdict is not Verdict.BLOCKED


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs_through(path: Path, worker_home: Path) -> None:
    machine = a_machine(path.stem, worker_home)
    for phase in ("prechecks", "steps", "postchecks"):
        for step in commands(machine.runbook, phase):
            machine.do(step)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_its_rollbacks_undo_its_steps_even_twice(path: Path, worker_home: Path) -> None:
    machine = a_machine(path.stem, worker_home)
    if path.stem == "log-rotation":
        logs = {"app.log": "now", "app.log.1": "before", "app.log.5": "old"}
        seeded(machine, "folder", logs)
    for check in commands(machine.runbook, "prechecks"):
        machine.do(check)
    before = machine.files()
    for step in undoable(machine.runbook):
        machine.do(step)
    assert machine.files() != before
    machine.undo(undoable(machine.runbook))
    assert machine.files() == before
    machine.undo(undoable(machine.runbook))
    assert machine.files() == before


def test_the_old_certificate_comes_back_and_stays(tmp_path: Path) -> None:
    machine = a_machine("certificate-renewal", tmp_path)
    for step in [*commands(machine.runbook, "prechecks"), *commands(machine.runbook)]:
        machine.do(step)
    folder = Path(machine.bound.text("folder"))
    old = (folder / "server.key").read_bytes(), (folder / "server.crt").read_bytes()
    for step in undoable(machine.runbook):
        machine.do(step)
    assert (folder / "server.crt").read_bytes() != old[1]
    for _ in range(2):
        machine.undo(undoable(machine.runbook))
        assert ((folder / "server.key").read_bytes(), (folder / "server.crt").read_bytes()) == old


def test_a_disk_that_stays_full_fails_before_anything_is_lost(tmp_path: Path) -> None:
    machine = a_machine("disk-full", tmp_path, limit_kb=0)
    checks, steps = commands(machine.runbook, "prechecks"), commands(machine.runbook)
    for step in [*checks, *steps[:2]]:
        machine.do(step)
    failed = machine.run(steps[2])
    assert failed.returncode == 1
    assert "limit: 0 KiB" in failed.stdout
    machine.undo(steps[:3])
    assert machine.files() == {}


def test_a_broken_service_is_seen_and_its_setting_comes_back(worker_home: Path) -> None:
    machine = a_machine("service-restart", worker_home, mode="broken")
    steps = commands(machine.runbook)
    for step in [*commands(machine.runbook, "prechecks"), *steps[:2]]:
        machine.do(step)
    failed = machine.run(steps[2])
    assert failed.returncode == 1
    assert "not healthy" in failed.stderr
    machine.undo(steps[1:])
    assert machine.files()["a folder/folder/settings"] == b"normal\n"


def test_a_certificate_that_ends_too_soon_fails(tmp_path: Path) -> None:
    machine = a_machine("certificate-renewal", tmp_path, valid_days=1)
    *steps, last = commands(machine.runbook)
    for step in [*commands(machine.runbook, "prechecks"), *steps]:
        machine.do(step)
    failed = machine.run(last)
    assert failed.returncode == 1
    assert "will expire" in failed.stdout


def test_without_openssl_the_first_check_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    machine = a_machine("certificate-renewal", tmp_path)
    failed = machine.run(commands(machine.runbook, "prechecks")[0])
    assert failed.returncode == 1
    assert "openssl is not installed" in failed.stderr
