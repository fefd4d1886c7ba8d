"""`afield executions find`, `afield reconcile`, and the two scripts that are the same: what they show and settle."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_world import ROOT, SPEC, Ran, Shell, worker

from afield_sim.testing import Simulator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

FIND = str(ROOT / "scripts" / "find_running_executions.py")
RECONCILE = str(ROOT / "scripts" / "reconcile_executions.py")
KEYS = [
    *("matched", "running_here", "running_there", "missing_amc_ids", "here_only", "there_only", "status_mismatches"),
    *("ambiguous", "undecided"),
]
HEADINGS = [
    *("matched", "running here", "running there", "missing AMC ids", "here only", "there only", "status mismatches"),
    "ambiguous",
]


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs: one that ended there and is live here, one that was never sent, and somebody else's."""

    stale: str
    queued: str
    foreign: str


async def drift(shell: Shell, sim: Simulator, north: str) -> Drift:
    instance = sim.instances[0]
    await sim.admin.put_settings({"*": {"pending_seconds": 0, "running_seconds": 3600}})
    spec, of_ada = json.dumps(SPEC), ("--label", "user_email=ada@example.com")
    async with worker(shell) as working:
        stale = (await shell.good("executions", "submit", north, "--spec", spec, "--json", *of_ada)).json["id"]
        await sim.admin.wait(what="created", at_least=1)
        state = ""
        while state != "running":
            state = (await shell.good("executions", "show", stale, "--json")).json["execution"]["state"]
        working.terminate()
        await working.wait()
    [ours] = await sim.admin.executions(instance)
    await sim.admin.force(ours["id"], "SUCCEEDED")
    queued = (await shell.good("executions", "submit", north, "--spec", spec, "--json")).json["id"]
    [foreign] = await sim.admin.plant(instance, workflow_id="somebody-elses", status="RUNNING")
    return Drift(stale, queued, foreign["id"])


async def script(shell: Shell, path: str, *arguments: str) -> Ran:
    return await shell.run(*arguments, program=(path,))


async def test_both_sides_are_shown_and_settled(shell: Shell, sim: Simulator, north: str) -> None:
    drifted, instance = await drift(shell, sim, north), sim.instances[0]

    found = await script(shell, FIND, "--instance-id", instance, "--json")
    assert found.code == 1, found
    [one] = found.json
    groups = {
        name: [line["execution_id"] or line["amc_execution_id"] for line in lines]
        for name, lines in one["groups"].items()
    }
    assert list(groups) == KEYS
    assert groups == {key: [] for key in KEYS} | {
        "running_here": [drifted.stale],
        "running_there": [drifted.foreign],
        "missing_amc_ids": [drifted.queued],
        "there_only": [drifted.foreign],
        "status_mismatches": [drifted.stale],
    }
    assert one["groups"]["missing_amc_ids"][0]["why"] == "queued"
    assert one["looked"]["complete"] is True
    assert one["counts"]["status_mismatch"] == 1
    assert (one["planned"], one["repaired"]) == ([], [])

    told = await script(shell, FIND)
    assert told.code == 1
    shown = [line.rsplit(": ", 1) for line in told.out.splitlines()[1:] if line and not line.startswith(" ")]
    assert [heading for heading, _ in shown] == HEADINGS
    assert [int(count) for _, count in shown] == [len(groups[key]) for key in KEYS[:-1]]
    others = await script(shell, FIND, "--user-email", "bob@example.com", "--json")
    assert others.code == 0, "nothing of his is wrong, and what somebody else runs is no fault"
    assert others.json[0]["groups"]["status_mismatches"] == others.json[0]["groups"]["running_here"] == []

    await settle(shell, drifted, ("--instance-id", instance, "--user-email", "ada@example.com", "--json"))


async def settle(shell: Shell, drifted: Drift, of_ada: tuple[str, ...]) -> None:
    """A dry run changes nothing, a fix settles, a second fix finds nothing to do."""
    for arguments in ((), ("--dry-run",)):
        dry = await script(shell, RECONCILE, *of_ada, *arguments)
        assert (dry.code, [one["repair"] for one in dry.json[0]["planned"]]) == (1, ["sync_status"])
        assert dry.json[0]["repaired"] == []
    assert (await shell.good("executions", "show", drifted.stale, "--json")).json["execution"]["state"] == "running"

    fixed = await script(shell, RECONCILE, *of_ada, "--fix")
    assert fixed.code == 1, "the code tells what was found"
    assert [(one["repair"], one["done"]) for one in fixed.json[0]["repaired"]] == [("sync_status", True)]
    after = (await shell.good("executions", "show", drifted.stale, "--json")).json
    assert after["execution"]["state"] == "succeeded"
    assert [event["actor"] for event in after["events"] if event["kind"] == "repaired"] == ["ada@example.com"]

    again = await script(shell, RECONCILE, *of_ada, "--fix")
    assert (again.code, again.json[0]["repaired"]) == (0, [])
    unchanged = (await shell.good("executions", "show", drifted.stale, "--json")).json
    assert unchanged["execution"]["updated_at"] == after["execution"]["updated_at"]


async def test_a_chosen_repair_needs_its_name(shell: Shell, sim: Simulator, north: str) -> None:
    """A duplicate is stopped only on request. Here the surplus is somebody else's by all accounts: it stays."""
    await sim.admin.plant(sim.instances[0], workflow_id="somebody-elses", status="RUNNING")
    ran = await shell.run("reconcile", "--fix", "--repair", "cancel_remote", "--json")
    assert (ran.code, ran.json[0]["repaired"]) == (0, [])
    [foreign] = await sim.admin.executions()
    assert foreign["status"] == "RUNNING"


async def test_a_look_that_fails_is_exit_code_2_and_names_nobody(shell: Shell, sim: Simulator, north: str) -> None:
    await sim.admin.plant(sim.instances[0], workflow_id="somebody-elses", status="RUNNING")
    await sim.admin.revoke_refresh_token()
    await sim.admin.revoke_access_tokens()
    ran = await script(shell, FIND, "--json")
    assert ran.code == 2, ran
    assert ran.json[0]["looked"]["complete"] is False
    assert ran.json[0]["looked"]["error"]
    assert ran.json[0]["groups"]["there_only"] == []
    assert "NOT COMPLETE" in (await script(shell, FIND)).out


async def test_without_targets_there_is_nothing_to_say(shell: Shell) -> None:
    ran = await shell.good("executions", "find", "--json")
    assert (ran.json, ran.err) == ([], "There are no targets to compare.\n")


@pytest.mark.parametrize("path", [FIND, RECONCILE])
def test_a_script_says_when_afield_is_not_installed(path: str, tmp_path: Path) -> None:
    bare = [sys.executable, "-S", "-I", path]
    ran = subprocess.run(bare, capture_output=True, text=True, timeout=30, cwd=tmp_path, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "make setup" in ran.stderr
    assert "Traceback" not in ran.stderr
