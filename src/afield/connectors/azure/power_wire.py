"""Power operations on the wire: what an operation's body means, and what the VM's power state proves. Pure.

Source: Microsoft Learn, virtual machines REST reference, states-billing, and track asynchronous Azure operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.operations import OperationView
from afield.connectors.azure.redaction import clean
from afield.connectors.azure.view import PowerState
from afield.connectors.azure.wire import same_name
from afield.connectors.base import Entry, RemoteState, StrictModel
from afield.model.execution import Reason


class PowerOperation(StrEnum):
    """What can be done to a VM as a whole."""

    RESTART = "restart"
    START = "start"
    POWER_OFF = "power_off"  # stopped, and still billed
    DEALLOCATE = "deallocate"
    REAPPLY = "reapply"
    REDEPLOY = "redeploy"


class VmPowerSpec(StrictModel):
    """One operation, with the reason for it, and the VM's name once more so that no other VM is hit by mistake."""

    operation: PowerOperation
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]
    confirm_name: str = Field(
        pattern=r"^[^/\s]{1,64}$", description="The name of the VM, in any case; another name is refused."
    )


def unconfirmed(spec: VmPowerSpec, address: VmAddress) -> Reason | None:
    """Why the name does not confirm the operation; None when it does."""
    if same_name(spec.confirm_name, address.vm_name):
        return None
    text = f"confirm_name is {spec.confirm_name!r}, and this target is the VM {address.vm_name!r}: nothing was sent."
    return Reason("name_not_confirmed", text)


def cannot(operation: PowerOperation, power: PowerState) -> Reason | None:
    """Why it is not even tried. To wait until the VM runs could mean to restart it hours later, so it is refused."""
    if operation is not PowerOperation.RESTART or power in {PowerState.RUNNING, PowerState.MISSING, PowerState.UNKNOWN}:
        return None
    return Reason("vm_not_running", f"The VM is {power}, and only a running one is restarted; use `start`.")


@dataclass(frozen=True, slots=True)
class _Goal:
    reached: frozenset[PowerState]
    on_the_way: PowerState


_GOALS = {
    PowerOperation.START: _Goal(frozenset({PowerState.RUNNING}), PowerState.STARTING),
    PowerOperation.POWER_OFF: _Goal(frozenset({PowerState.STOPPED, PowerState.DEALLOCATED}), PowerState.STOPPING),
    PowerOperation.DEALLOCATE: _Goal(frozenset({PowerState.DEALLOCATED}), PowerState.DEALLOCATING),
}


def entry_of(operation: OperationView, key: str) -> Entry:
    """The attempt whose operation this is."""
    state, reason = _judged(operation)
    return Entry(
        handle=key,
        name=key,
        status=operation.status or "unknown",
        state=state,
        created_at=operation.start,
        started_at=operation.start,
        finished_at=operation.end,
        reason=reason,
    )


def _judged(operation: OperationView) -> tuple[RemoteState, Reason | None]:
    match operation.status.lower():
        case "succeeded":
            return RemoteState.SUCCEEDED, None
        case "canceled":
            return RemoteState.CANCELLED, None
        case "failed":
            said = clean(operation.error_message)
            return RemoteState.FAILED, Reason("operation_failed", f"Azure says {operation.error_code}: {said}")
        case "inprogress" | "running" | "accepted" | "updating":
            return RemoteState.RUNNING, None
        case _:
            return RemoteState.UNKNOWN, None


def by_power_state(operation: PowerOperation, power: PowerState, key: str) -> Entry | None:
    """What the power state tells of an attempt whose operation is not known: nothing of it, for one that ends as it
    began; for the others, that what was wanted is so, or is on its way. None: there is no sign of it."""
    goal = _GOALS.get(operation)
    if goal is None:
        text = f"Nothing at the VM tells whether this {operation} was done; look at its activity log."
        return Entry(handle=key, status=power, state=RemoteState.UNKNOWN, reason=Reason("not_certain", text))
    if power in goal.reached:
        told = Reason("by_power_state", f"The VM is {power}; Azure does not say which request brought that about.")
        return Entry(handle=key, name=key, status=power, state=RemoteState.SUCCEEDED, reason=told)
    if power is goal.on_the_way:
        return Entry(handle=key, name=key, status=power, state=RemoteState.RUNNING)
    return None
