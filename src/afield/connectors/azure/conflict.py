"""Whether something holds a VM's action run command (v1), who, and what to do about it. Pure.

Only one action run command runs on a VM at a time; another one is answered with 409 Conflict. Managed run commands
(v2) neither block it nor are blocked by it. Nothing here runs a command: one sent as a probe would be refused, or would
become the conflict. docs/azure-conflict.md has the decision as a table.
Source: Microsoft Learn, run-command (90 minutes, one at a time), run-command-managed; public reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from afield.connectors.azure import ways_out
from afield.connectors.azure.view import ExtensionState, ExtensionView, OsType, RunCommandView, VmView
from afield.connectors.azure.ways_out import WayOut

LONGEST = timedelta(minutes=90)
"""An action run command is cut off after this."""


class ConflictKind(StrEnum):
    """Who holds the VM's action run command."""

    NONE = "none"  # nobody, as far as can be seen
    TRUE = "true"  # a command of ours that runs
    FOREIGN = "foreign"  # somebody else's command that runs
    FALSE = "false_conflict"  # nobody: Azure refuses although nothing runs
    ORPHANED = "orphaned"  # a command that is shown as running and cannot end any more


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOperation:
    """The newest action run command that we started on this VM."""

    started_at: datetime
    in_progress: bool | None  # by its operation; None: that could not be asked, so it counts as in progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictEvidence:
    """All that the decision rests on."""

    now: datetime
    own: OwnOperation | None = None
    extension: ExtensionView | None = None  # the one behind the action run command
    transitioning_since: datetime | None = None  # when it was first seen so, if the extension does not tell
    agent_ready: bool | None = None  # None: not told
    agent_message: str = ""
    booted_at: datetime | None = None  # the VM's last start or restart
    refused_at: datetime | None = None  # the last 409 Conflict
    managed: tuple[RunCommandView, ...] = ()
    vm: str = "{vm}"  # its resource id, for the ways out
    os_type: OsType = OsType.UNKNOWN

    @property
    def refused(self) -> bool:
        """A 409 was seen, and no command of ours was accepted after it."""
        return self.refused_at is not None and (self.own is None or self.own.started_at <= self.refused_at)

    @property
    def transitioning(self) -> bool:
        return self.extension is not None and self.extension.state is ExtensionState.TRANSITIONING

    @property
    def own_runs(self) -> bool:
        return self.own is not None and self.own.in_progress is not False

    @property
    def began_at(self) -> datetime | None:
        """When what holds the VM began, if anything shows that."""
        if self.own is not None and self.own_runs:
            return self.own.started_at
        told = self.extension.time if self.extension else None
        return min(filter(None, (told, self.transitioning_since)), default=None) if self.transitioning else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """What holds the VM, by which evidence, in one sentence, and the ways out, mildest first."""

    kind: ConflictKind
    evidence: tuple[str, ...]
    sentence: str
    ways_out: tuple[WayOut, ...] = ()


def evidence_of(
    view: VmView,
    managed: tuple[RunCommandView, ...],
    now: datetime,
    *,
    own: OwnOperation | None = None,
    refused_at: datetime | None = None,
    transitioning_since: datetime | None = None,
    restarted_at: datetime | None = None,
) -> ConflictEvidence:
    """The evidence that a look at the VM gives, with what only we can know: our own command, the last 409, since when
    the extension is seen as transitioning, and when we restarted the VM."""
    return ConflictEvidence(
        now=now,
        own=own,
        extension=view.action_extension,
        transitioning_since=transitioning_since,
        agent_ready=view.agent.ready,
        agent_message=view.agent.message,
        booted_at=max(filter(None, (restarted_at, view.power_since)), default=None),
        refused_at=refused_at,
        managed=managed,
        vm=view.resource_id or "{vm}",
        os_type=view.os_type,
    )


def decide(evidence: ConflictEvidence) -> Conflict:
    """What holds the VM. Total: every evidence has an answer."""
    kind, sentence = _judged(evidence)
    return Conflict(kind=kind, evidence=_lines(evidence), sentence=sentence, ways_out=_ways_out(kind, evidence))


def _judged(evidence: ConflictEvidence) -> tuple[ConflictKind, str]:
    if evidence.own_runs or evidence.transitioning:
        stuck = _cannot_end(evidence)
        if stuck:
            whose = "Our action run command" if evidence.own_runs else "An action run command"
            return ConflictKind.ORPHANED, f"{whose} is shown as running and cannot end any more: {stuck}."
        return _running(evidence)
    if not evidence.refused:
        return ConflictKind.NONE, "Nothing shows that an action run command holds the VM."
    return _refused_for_nothing(evidence)


def _running(evidence: ConflictEvidence) -> tuple[ConflictKind, str]:
    if evidence.own is None:
        return ConflictKind.FOREIGN, "An action run command that is not ours runs on the VM."
    if not evidence.own_runs:
        return ConflictKind.FOREIGN, "Our action run command has ended, and another one runs on the VM."
    since = _at(evidence.own.started_at)
    if evidence.own.in_progress is None:
        return ConflictKind.TRUE, f"Our action run command of {since} may still run: its operation could not be asked."
    return ConflictKind.TRUE, f"Our own action run command of {since} still runs."


def _refused_for_nothing(evidence: ConflictEvidence) -> tuple[ConflictKind, str]:
    extension = evidence.extension
    if evidence.agent_ready is False:
        sentence = "Azure refuses action run commands, and what it waits for cannot end: the guest agent is not ready."
        return ConflictKind.ORPHANED, sentence
    if extension is not None and not extension.state.terminal:
        state = extension.code or "no state"
        return ConflictKind.FOREIGN, f"Azure refuses action run commands, and their extension shows {state}."
    shown = f"their extension shows {extension.state}" if extension else "no extension shows one"
    return ConflictKind.FALSE, f"Azure refuses action run commands although none runs: {shown}."


def _cannot_end(evidence: ConflictEvidence) -> str:
    """Why what is shown as running cannot end; empty if it can."""
    began, booted = evidence.began_at, evidence.booted_at
    if evidence.agent_ready is False:
        return "the guest agent is not ready"
    if began and booted and booted > began:
        return f"the VM was started again at {_at(booted)}, after it"
    if began and evidence.now - began > LONGEST:
        return f"it began at {_at(began)}, longer ago than the 90 minutes it may take"
    return ""


def _lines(evidence: ConflictEvidence) -> tuple[str, ...]:
    """What was seen, also what speaks against the decision."""
    seen = (
        _own_line(evidence.own),
        _extension_line(evidence),
        _agent_line(evidence),
        f"The VM was last started at {_at(evidence.booted_at)}." if evidence.booted_at else "",
        _refusal_line(evidence),
        _managed_line(evidence.managed),
    )
    return tuple(line for line in seen if line)


def _own_line(own: OwnOperation | None) -> str:
    if own is None:
        return "No action run command of ours is known on this VM."
    how = {True: "is in progress", False: "has ended", None: "could not be asked"}[own.in_progress]
    return f"Our action run command of {_at(own.started_at)}: its operation {how}."


def _extension_line(evidence: ConflictEvidence) -> str:
    extension = evidence.extension
    if extension is None:
        return "The VM shows no extension of action run commands."
    message = " ".join(extension.message.split())[:80]
    said = f" ({message})" if message else ""
    since = f", since {_at(evidence.began_at)} or before" if evidence.transitioning and evidence.began_at else ""
    return f"The extension {extension.name} shows {extension.code or 'no state'}{said}{since}."


def _agent_line(evidence: ConflictEvidence) -> str:
    ready = {True: "is ready", False: "is not ready", None: "does not tell whether it is ready"}[evidence.agent_ready]
    message = f" ({evidence.agent_message})" if evidence.agent_message else ""
    return f"The guest agent {ready}{message}."


def _refusal_line(evidence: ConflictEvidence) -> str:
    if evidence.refused_at is None:
        return "No 409 Conflict was seen."
    later = "" if evidence.refused else ", and accepted a later command"
    return f"Azure answered 409 Conflict at {_at(evidence.refused_at)}{later}."


def _managed_line(managed: tuple[RunCommandView, ...]) -> str:
    live = [command.name for command in managed if command.live]
    if not live:
        return ""
    return f"Managed run commands that run ({', '.join(live[:5])}) do not hold up action run commands."


def _ways_out(kind: ConflictKind, evidence: ConflictEvidence) -> tuple[WayOut, ...]:
    """Mildest first. Nothing that goes through the guest agent is offered when the agent is not ready."""
    vm, runs = evidence.vm, kind in {ConflictKind.TRUE, ConflictKind.FOREIGN}
    managed = ways_out.run_managed(vm, beside_another=kind is not ConflictKind.FALSE)
    if kind is ConflictKind.NONE:
        return ()
    if runs:
        asking = (ways_out.ask_owner(vm),) if kind is ConflictKind.FOREIGN else ()
        return (ways_out.wait(), *asking, managed, ways_out.restart_vm(vm))
    extension = evidence.extension.name if evidence.extension else f"RunCommand{_os_name(evidence.os_type)}"
    through_agent = (managed, ways_out.remove_extension(vm, extension)) if evidence.agent_ready is not False else ()
    return (
        ways_out.wait(),
        *through_agent,
        ways_out.restart_agent(evidence.os_type),
        ways_out.restart_vm(vm),
        ways_out.reapply(vm),
        ways_out.redeploy(vm),
    )


def _os_name(os_type: OsType) -> str:
    return "Windows" if os_type is OsType.WINDOWS else "Linux"


def _at(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
