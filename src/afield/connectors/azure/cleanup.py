"""Leaving nothing behind on a VM, within its budget: deletions are put off when there is none left."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from afield.connectors.azure.failure import AzureError, Trouble
from afield.connectors.azure.pacing import CallKind
from afield.connectors.azure.target import VmTarget
from afield.connectors.azure.view import RunCommandView, parse_run_command
from afield.connectors.azure.wire import MOST_RUN_COMMANDS
from afield.connectors.base import NO_ROOM, NotSent
from afield.model.execution import Reason
from afield.model.ids import parse_attempt_key

SPARE_UPDATES = 2.0  # left in the budget for new commands and cancels, as long as there is room on the VM
_HEAD_ROOM = 1
_DELETION = timedelta(seconds=15)  # how long one usually takes; until then it holds its place
_LEFTOVER_AGE = timedelta(hours=24)  # an ended run command of ours this old is nobody's any more


async def release(vm: VmTarget, name: str) -> None:
    """Delete a run command, now if the budget allows, else with a later call."""
    vm.pace.to_delete[name] = None
    await delete_deferred(vm)


async def delete_deferred(vm: VmTarget, *, spare: float = SPARE_UPDATES) -> set[str]:
    """Delete what is waiting to be deleted, as far as the budget goes; the names. Raises CredentialError."""
    deleted: set[str] = set()
    for name in list(vm.pace.to_delete):
        if name not in vm.pace.to_delete:  # another call took it meanwhile
            continue
        try:
            vm.allow(CallKind.DELETE, spare=spare)
            del vm.pace.to_delete[name]
            await vm.api.delete_run_command(vm.address, name)
            deleted.add(name)
        except AzureError as error:
            if error.trouble is not Trouble.OVER_BUDGET:
                vm.log.info("azure.delete_failed", run_command=name, why=error.message)
            if error.status not in {403, 404}:
                vm.pace.to_delete.setdefault(name)
            break
    return deleted


async def make_room(vm: VmTarget, names: set[str]) -> NotSent | None:
    """See that one more run command fits; None when it does, as far as is known."""
    if len(names | vm.pace.to_delete.keys()) < MOST_RUN_COMMANDS - _HEAD_ROOM:
        return None
    await delete_deferred(vm, spare=0)
    views = await _all(vm)
    names.clear()
    names.update(view.name for view in views)
    for view in leftovers(views, vm):
        vm.pace.to_delete[view.name] = None
    deleted = await delete_deferred(vm, spare=0)
    if len(names) < MOST_RUN_COMMANDS:
        return None
    going = f"; {len(deleted)} old ones of ours are being deleted" if deleted else ""
    text = f"The VM has {len(names)} run commands, and {MOST_RUN_COMMANDS} are the most it can have{going}."
    return NotSent(Reason(NO_ROOM, text), _DELETION if deleted else None, only_this=True)


async def _all(vm: VmTarget) -> list[RunCommandView]:
    vm.allow(CallKind.READ)
    listing = await vm.api.list_run_commands(vm.address)
    return [parse_run_command(item) for item in listing.items]


def leftovers(views: Iterable[RunCommandView], vm: VmTarget) -> list[RunCommandView]:
    """Ended run commands with a name of ours, so old that no ledger can still be waiting for them."""
    limit = vm.clock.now() - _LEFTOVER_AGE
    return [one for one in views if parse_attempt_key(one.name) and one.ended and one.end and one.end < limit]
