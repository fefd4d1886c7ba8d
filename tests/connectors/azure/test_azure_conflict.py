"""Who holds a VM's action run command: the decision as a table, and what holds for all evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.connectors.azure.conflict import Conflict, ConflictEvidence, ConflictKind, OwnOperation, decide, evidence_of
from afield.connectors.azure.view import (
    AgentView,
    ExtensionState,
    ExtensionView,
    OsType,
    RunCommandView,
    ScriptState,
    VmView,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm1"
RUNS = RunCommandView(name="afield-1", execution_state=ScriptState.RUNNING)


def minutes(number: float) -> datetime:
    """So many minutes ago."""
    return NOW - timedelta(minutes=number)


def extension(state: str, since: datetime | None = None) -> ExtensionView:
    return ExtensionView(
        name="RunCommandLinux", state=ExtensionState(state), code=f"ProvisioningState/{state}", time=since
    )  # fmt: skip


def own(ago: float, in_progress: bool | None) -> OwnOperation:
    return OwnOperation(started_at=minutes(ago), in_progress=in_progress)


NOTHING = ConflictEvidence(now=NOW, agent_ready=True, vm=VM, os_type=OsType.LINUX)
BUSY, DONE, FAILED, ODD = (extension(state) for state in ("transitioning", "succeeded", "failed", "unknown"))
OLD = minutes(91)

TABLE = [
    # nothing holds it
    ("none", "Nothing shows", {}),
    ("none", "Nothing shows", {"extension": DONE}),
    ("none", "Nothing shows", {"extension": FAILED, "own": own(3, False)}),
    ("none", "Nothing shows", {"extension": ODD}),
    ("none", "Nothing shows", {"agent_ready": False, "extension": DONE}),
    ("none", "Nothing shows", {"managed": (RUNS,)}),
    ("none", "Nothing shows", {"refused_at": minutes(9), "own": own(3, False), "extension": DONE}),
    # ours
    ("true", "still runs", {"own": own(3, True), "extension": BUSY}),
    ("true", "still runs", {"own": own(3, True), "extension": BUSY, "refused_at": minutes(1)}),
    ("true", "still runs", {"own": own(3, True), "extension": DONE}),
    ("true", "still runs", {"own": own(3, True)}),
    ("true", "still runs", {"own": own(90, True), "extension": BUSY}),
    ("true", "still runs", {"own": own(3, True), "extension": BUSY, "booted_at": minutes(4)}),
    ("true", "still runs", {"own": own(3, True), "agent_ready": None}),
    ("true", "could not be asked", {"own": own(3, None), "extension": DONE, "refused_at": minutes(1)}),
    ("true", "still runs", {"own": own(3, True), "extension": extension("transitioning", minutes(200))}),
    # somebody else's
    ("foreign", "not ours", {"extension": BUSY}),
    ("foreign", "not ours", {"extension": BUSY, "refused_at": minutes(0)}),
    ("foreign", "not ours", {"extension": BUSY, "transitioning_since": minutes(89)}),
    ("foreign", "not ours", {"extension": BUSY, "managed": (RUNS,)}),
    ("foreign", "not ours", {"extension": BUSY, "booted_at": minutes(1)}),  # nobody knows which came first
    ("foreign", "Our action run command has ended", {"extension": BUSY, "own": own(3, False)}),
    ("foreign", "unknown", {"extension": ODD, "refused_at": minutes(1)}),
    # nobody's
    ("false_conflict", "shows succeeded", {"extension": DONE, "refused_at": minutes(1)}),
    ("false_conflict", "shows failed", {"extension": FAILED, "refused_at": minutes(1)}),
    ("false_conflict", "shows succeeded", {"extension": DONE, "refused_at": minutes(1), "own": own(3, False)}),
    ("false_conflict", "shows succeeded", {"extension": DONE, "refused_at": minutes(1), "managed": (RUNS,)}),
    ("false_conflict", "no extension", {"refused_at": minutes(1)}),
    # stuck
    ("orphaned", "90 minutes", {"own": own(91, True), "extension": BUSY}),
    ("orphaned", "90 minutes", {"extension": BUSY, "transitioning_since": minutes(91)}),
    ("orphaned", "90 minutes", {"extension": extension("transitioning", minutes(91))}),
    (
        "orphaned",
        "90 minutes",
        {"extension": extension("transitioning", minutes(2)), "transitioning_since": OLD},
    ),
    ("orphaned", "90 minutes", {"own": own(91, None), "refused_at": minutes(1)}),
    ("orphaned", "agent is not ready", {"extension": BUSY, "agent_ready": False}),
    ("orphaned", "agent is not ready", {"own": own(3, True), "agent_ready": False}),
    ("orphaned", "agent is not ready", {"extension": DONE, "refused_at": minutes(1), "agent_ready": False}),
    ("orphaned", "started again", {"own": own(3, True), "extension": BUSY, "booted_at": minutes(2)}),
    ("orphaned", "started again", {"extension": BUSY, "transitioning_since": minutes(30), "booted_at": minutes(2)}),
]


@pytest.mark.parametrize(("kind", "said", "seen"), TABLE)
def test_the_decision(kind: str, said: str, seen: dict[str, object]) -> None:
    conflict = decide(replace(NOTHING, **seen))  # type: ignore[arg-type]
    assert (conflict.kind, said in conflict.sentence) == (kind, True), conflict


def ways(conflict: Conflict) -> list[str]:
    return [way.how.removeprefix("az ").replace(VM, "vm").split(" (")[0] for way in conflict.ways_out]


def test_the_ways_out_begin_with_the_mildest() -> None:
    stuck = replace(NOTHING, extension=DONE, refused_at=minutes(1))
    gentle = "the same request, after 20 s or more"
    harsh = ["systemctl restart walinuxagent", "POST vm/restart", "POST vm/reapply", "POST vm/redeploy"]
    managed, removal = "PUT vm/runCommands/<a new name>", "DELETE vm/extensions/RunCommandLinux"
    assert ways(decide(stuck)) == [gentle, managed, removal, *harsh]
    assert ways(decide(replace(stuck, agent_ready=False))) == [gentle, *harsh]
    assert ways(decide(replace(NOTHING, own=own(1, True)))) == [gentle, managed, "POST vm/restart"]
    asking = "monitor activity-log list --resource-id vm --offset 3h"
    assert ways(decide(replace(NOTHING, extension=BUSY))) == [gentle, asking, managed, "POST vm/restart"]
    assert ways(decide(NOTHING)) == []


def test_windows_is_told_its_own_commands() -> None:
    windows = replace(NOTHING, os_type=OsType.WINDOWS, refused_at=minutes(1))
    assert {f"DELETE {VM}/extensions/RunCommandWindows", "Restart-Service WindowsAzureGuestAgent"} <= {
        way.how for way in decide(windows).ways_out
    }


def test_the_evidence_is_told_on_both_sides() -> None:
    seen = replace(NOTHING, extension=DONE, own=own(3, False), refused_at=minutes(1), managed=(RUNS,))
    assert decide(seen).evidence == (
        "Our action run command of 2026-03-01 11:57:00 UTC: its operation has ended.",
        "The extension RunCommandLinux shows ProvisioningState/succeeded.",
        "The guest agent is ready.",
        "Azure answered 409 Conflict at 2026-03-01 11:59:00 UTC.",
        "Managed run commands that run (afield-1) do not hold up action run commands.",
    )


def test_evidence_comes_from_a_look_at_the_vm() -> None:
    busy = ExtensionView(name="x", type="Microsoft.CPlat.Core.RunCommandLinux", state=ExtensionState.TRANSITIONING)
    other = ExtensionView(name="y", type="Microsoft.CPlat.Core.RunCommandHandlerLinux")
    view = VmView(resource_id=VM, extensions=(other, busy), agent=AgentView(ready=True), power_since=minutes(50))
    evidence = evidence_of(view, (RUNS,), NOW, restarted_at=minutes(40))
    assert (evidence.extension, evidence.booted_at, evidence.managed) == (busy, minutes(40), (RUNS,))
    assert decide(evidence).kind is ConflictKind.FOREIGN


TIMES = st.none() | st.integers(-200, 200).map(minutes)
EVIDENCE = st.builds(
    ConflictEvidence,
    now=st.just(NOW),
    own=st.none() | st.builds(own, st.integers(-10, 200), st.none() | st.booleans()),
    extension=st.none() | st.builds(extension, st.sampled_from(list(ExtensionState)), TIMES),
    transitioning_since=TIMES,
    agent_ready=st.none() | st.booleans(),
    booted_at=TIMES,
    refused_at=TIMES,
    managed=st.just((RUNS,)) | st.just(()),
    os_type=st.sampled_from(OsType),
)


@given(EVIDENCE)
def test_every_evidence_has_an_answer(evidence: ConflictEvidence) -> None:
    conflict = decide(evidence)
    assert conflict.sentence and conflict.evidence
    signs = evidence.refused or evidence.transitioning or evidence.own_runs
    assert (conflict.kind is ConflictKind.NONE) == (not signs)
    assert (conflict.ways_out == ()) == (not signs)
    assert conflict.kind is not ConflictKind.TRUE or evidence.own_runs
    assert conflict.kind is not ConflictKind.FALSE or (evidence.refused and not evidence.transitioning)


@given(EVIDENCE)
def test_managed_commands_change_no_decision(evidence: ConflictEvidence) -> None:
    assert decide(replace(evidence, managed=())).kind is decide(replace(evidence, managed=(RUNS,) * 25)).kind
