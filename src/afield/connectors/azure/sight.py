"""Looking at a VM's managed run commands: one list for all, or one question for a single one."""

from __future__ import annotations

from dataclasses import replace

from afield.connectors.azure.causes import explain
from afield.connectors.azure.failure import AzureError
from afield.connectors.azure.operations import parse_operation
from afield.connectors.azure.pacing import CallKind
from afield.connectors.azure.redaction import clean
from afield.connectors.azure.shelf import Shelf
from afield.connectors.azure.target import VmTarget
from afield.connectors.azure.view import RunCommandView, parse_run_command
from afield.connectors.azure.wire import entry_of, same_name, undelivered
from afield.connectors.base import Entry, LookQuery, RemoteState, Snapshot
from afield.faultpoints import FaultPoint, reach


class Sight:
    """Looks at one VM, and remembers which run commands it has."""

    def __init__(self, vm: VmTarget, shelf: Shelf) -> None:
        self._vm = vm
        self._shelf = shelf
        self.names: set[str] = set()  # run commands on the VM, as far as we know

    async def look(self, query: LookQuery) -> Snapshot:
        """Ask once about all of the query. Raises CredentialError; all else makes the snapshot incomplete."""
        taken_at = self._vm.clock.now()
        if query.empty:
            return Snapshot(taken_at=taken_at, complete=True)
        asked = frozenset({one.handle for one in query.known} | {intent.key for intent in query.doubts})
        try:
            views, calls = await self._views(asked, everything=query.since is not None)
        except AzureError as error:
            why = error.reason("Looking at the VM's run commands")
            self._vm.log.info("azure.look_incomplete", code=why.code, why=why.text)
            return Snapshot(taken_at=taken_at, complete=False, calls=1, error=why, retry_after=error.retry_after)
        views = [await self._explained(view) for view in views]
        self._shelf.learn(views, asked)
        entries = (*map(entry_of, views), *self._stopped(asked, views))
        return Snapshot(taken_at=taken_at, complete=True, entries=entries, calls=calls)

    async def _views(self, asked: frozenset[str], *, everything: bool) -> tuple[list[RunCommandView], int]:
        self._vm.allow(CallKind.READ)
        if everything or len(asked) != 1:
            listing = await self._vm.api.list_run_commands(self._vm.address)
            views = [_named(parse_run_command(item), asked) for item in listing.items]
            self.names = {view.name for view in views}
            return views, listing.calls
        found = await self._vm.api.get_run_command(self._vm.address, next(iter(asked)))
        reach(FaultPoint.DURING_LOOK)
        return ([] if found is None else [_named(parse_run_command(found), asked)]), 1

    async def _explained(self, view: RunCommandView) -> RunCommandView:
        """With the reason why a script was not delivered, which the run command itself does not show."""
        operation = self._shelf.operations.get(view.name)
        if operation is None or view.message or not undelivered(view):
            return view
        try:
            self._vm.allow(CallKind.POLL)
            told = parse_operation(await self._vm.api.get_operation(operation))
        except AzureError:
            return view
        if not told.error_code:
            return view
        cause = explain(0, told.error_code, told.error_message)
        said = f"{cause.sentence} Azure says: {clean(told.error_message)} ({told.error_code})"
        return replace(view, message=said)

    def _stopped(self, asked: frozenset[str], shown: list[RunCommandView]) -> list[Entry]:
        """What we deleted to stop it, and the VM does not show any more."""
        there = {view.name for view in shown}
        gone = [self._shelf.cancelled[name] for name in asked if name in self._shelf.cancelled and name not in there]
        return [
            replace(entry_of(view), status="Deleted", state=RemoteState.CANCELLED, finished_at=None, reason=None)
            for view in gone
        ]


def _named(view: RunCommandView, asked: frozenset[str]) -> RunCommandView:
    """The view under the name we asked for, should Azure write it in another case."""
    ours = next((name for name in asked if same_name(name, view.name)), view.name)
    return replace(view, name=ours)
