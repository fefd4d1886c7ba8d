"""Restarting a session's Azure VM, as an execution that is never sent twice."""

from __future__ import annotations

from dataclasses import dataclass

from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.credential import require_secret
from afield.connectors.azure.power_wire import PowerOperation, VmPowerSpec, unconfirmed
from afield.connectors.registry import check_spec
from afield.errors import ConflictError, InvalidInputError
from afield.kernel import Kernel, Order
from afield.ledger.base import Created, ExecutionFilter
from afield.model.execution import Resubmit
from afield.model.jsontypes import JsonObject
from afield.model.states import OCCUPYING, ExecutionState
from afield.model.target import Target
from afield.runbooks.azure_debug import targets_of_vm, vm_address

POWER = "azure_vm_power"
"""The connector through which VMs are restarted."""

_LONGEST_S = 3600.0  # a restart that is not done by then is not waited for any longer


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartOrder:
    """Who restarts a session's VM, and why."""

    session_id: int
    reason: str
    confirm_name: str
    by: str
    idempotency_key: str | None = None


async def restart_vm(kernel: Kernel, target: Target, order: RestartOrder) -> Created:
    """Record the restart of a target's VM as an execution, which is never sent twice; a worker takes it from there.

    Raises InvalidInputError (no Azure VM, another name, no reason), CredentialError, ConflictError (one is under way).
    In none of these cases anything is recorded.
    """
    address = vm_address(target)
    given: JsonObject = {"operation": PowerOperation.RESTART.value, "reason": order.reason}
    spec = check_spec(POWER, given | {"confirm_name": order.confirm_name})
    no = unconfirmed(VmPowerSpec.model_validate(spec), address)
    if no is not None:
        raise InvalidInputError(no.text, hint=f"Confirm with the VM's own name: {address.vm_name}.")
    secret = await kernel.credentials.secret(target.credential_id) if target.credential_id else {}
    require_secret(address, secret, target.name)
    power = await power_target(kernel, target)
    await _refuse_second(kernel, power, address, order)
    return await kernel.submit(
        Order(
            target=str(power.id),
            spec=spec,
            labels={"session_id": str(order.session_id), "asked_by": order.by},
            idempotency_key=order.idempotency_key,
            resubmit=Resubmit.NEVER,
            timeout_s=_LONGEST_S,
        ),
        target.tenant_id,
    )


async def power_target(kernel: Kernel, target: Target) -> Target:
    """The target through which the VM is restarted; made, with the same credential, if there is none."""
    found = await _power_targets(kernel, target)
    if found:
        return found[0]
    try:
        return await kernel.add_target(
            connector=POWER,
            name=f"{target.name}-power",
            address=target.address,
            settings={name: value for name, value in target.settings.items() if name != "max_live"},
            credential=str(target.credential_id) if target.credential_id else None,
            tenant_id=target.tenant_id,
        )
    except ConflictError:  # the name is taken: by this very VM, made just now, or by another target
        found = await _power_targets(kernel, target)
        if not found:
            raise
        return found[0]


async def _power_targets(kernel: Kernel, target: Target) -> list[Target]:
    return [one for one in await targets_of_vm(kernel, target) if one.connector == POWER]


async def _refuse_second(kernel: Kernel, power: Target, address: VmAddress, order: RestartOrder) -> None:
    """Two people who press the button restart the VM once; the same request again is no second one."""
    open_states = OCCUPYING | {ExecutionState.QUEUED}
    wanted = ExecutionFilter(tenant_id=power.tenant_id, target_id=power.id, states=open_states)
    for one in (await kernel.ledger.executions(wanted, limit=10)).items:
        if order.idempotency_key is None or one.idempotency_key != order.idempotency_key:
            text = f"Execution {one.id} ({one.spec.get('operation')}) of the VM {address.vm_name} is under way."
            raise ConflictError(text, hint=f"`afield executions show {one.id}` tells how far it is.")
