"""The ways out of a conflict on a VM: what each costs, and whether Afield can do it. Pure.

Source: Microsoft Learn, run-command and troubleshooting pages of the VM agent; public reports of stuck run commands.
"""

from __future__ import annotations

from dataclasses import dataclass

from afield.connectors.azure.view import OsType


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """One thing to do about a conflict."""

    what: str
    how: str  # a command, or a call of Azure's management interface
    risk: str
    afield: bool  # Afield can do it, through the connector or when it is told to


def wait() -> WayOut:
    """What holds the VM may end."""
    return WayOut(
        what="Wait, and send the step again with growing pauses",
        how="the same request, after 20 s or more",
        risk="none; it costs time",
        afield=True,
    )


def ask_owner(vm: str) -> WayOut:
    """Azure's activity log says who sent a command."""
    return WayOut(
        what="Find out who started it",
        how=f"az monitor activity-log list --resource-id {vm} --offset 3h",
        risk="none; it only reads",
        afield=False,
    )


def run_managed(vm: str, *, beside_another: bool) -> WayOut:
    """Managed run commands go past the conflict."""
    beside = "both scripts run at the same time: mind what they share"
    return WayOut(
        what="Run the same step as a managed run command",
        how=f"PUT {vm}/runCommands/<a new name>",
        risk=beside if beside_another else "low; managed commands are not held up by this",
        afield=True,
    )


def remove_extension(vm: str, name: str) -> WayOut:
    """The extension keeps the state that is stuck."""
    return WayOut(
        what="Remove the extension behind the action run command; the next command installs it again",
        how=f"DELETE {vm}/extensions/{name}",
        risk="a script that still runs may be cut off, and its result is lost",
        afield=False,
    )


def restart_agent(os_type: OsType) -> WayOut:
    """The agent reports the state that is stuck."""
    linux, windows = "systemctl restart walinuxagent (or waagent)", "Restart-Service WindowsAzureGuestAgent"
    how = {OsType.LINUX: linux, OsType.WINDOWS: windows}.get(os_type, f"{linux}; on Windows {windows}")
    return WayOut(
        what="Restart the guest agent from inside the VM, by ssh, RDP or the serial console, never by a run command",
        how=how,
        risk="commands that run through the agent lose their result",
        afield=False,
    )


def restart_vm(vm: str) -> WayOut:
    """Ends whatever runs there."""
    return WayOut(
        what="Restart the VM",
        how=f"POST {vm}/restart",
        risk="everything on the VM stops for some minutes; it did not help in every reported case",
        afield=True,
    )


def reapply(vm: str) -> WayOut:
    """For a VM whose recorded state is wrong."""
    return WayOut(
        what="Have Azure apply the VM's recorded state again",
        how=f"POST {vm}/reapply",
        risk="may restart the VM",
        afield=False,
    )


def redeploy(vm: str) -> WayOut:
    """For a host that does not answer."""
    return WayOut(
        what="Move the VM to another host",
        how=f"POST {vm}/redeploy",
        risk="restarts the VM; its temporary disk is lost and a dynamic address may change",
        afield=False,
    )
