"""The one check that does more than read: it runs `echo` on the VM, as a managed run command of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.api import AzureApi
from afield.connectors.azure.checks import failed, ok, warned
from afield.connectors.azure.conflict import ConflictKind
from afield.connectors.azure.failure import AzureError
from afield.connectors.azure.status import VmStatus
from afield.connectors.azure.view import RunCommandView, parse_run_command
from afield.connectors.base import CheckResult, CheckVerdict
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject

log = structlog.get_logger(__name__)

SAID = "Azure connectivity test successful"
_ASKED = f"run `echo '{SAID}'` as a managed run command"
_LONGEST_S = 60


class Echo:
    """Refuses itself while a command runs on the VM, or a conflict is suspected. Leaves nothing behind."""

    def __init__(
        self, api: AzureApi, address: VmAddress, status: Callable[[], Awaitable[VmStatus]], pause_s: float
    ) -> None:
        self._api = api
        self._address = address
        self._status = status
        self._pause_s = pause_s

    async def run(self) -> CheckResult:
        """Run it and tell what came of it. Takes as long as Azure needs, up to minutes. Raises AzureError."""
        status = await self._status()
        refusal = _refusal(status)
        if refusal:
            return CheckResult(
                verdict=CheckVerdict.SKIPPED, asked=_ASKED, answered=f"Refused: {refusal}", next_step="ask again later"
            )
        name = f"afield-echo-{uuid7().hex}"
        left_behind = ""
        try:
            ended = await self._ended(name, status.view.location)
        finally:
            left_behind = await self._removed(name)
        return _judged(ended, left_behind)

    async def _ended(self, name: str, location: str) -> RunCommandView:
        await self._api.put_run_command(self._address, name, _body(location))
        while True:
            await asyncio.sleep(self._pause_s)
            body = await self._api.get_run_command(self._address, name)
            view = parse_run_command(body)
            if body is None or view.ended:
                return view

    async def _removed(self, name: str) -> str:
        """Why the command is still there; empty if it is not."""
        try:
            await self._api.delete_run_command(self._address, name)
        except AzureError as error:
            log.warning("azure.echo_left_behind", vm=self._address.vm_name, name=name, error=error.message)
            return f"{name} could not be deleted: {error.message}"
        return ""


def _refusal(status: VmStatus) -> str:
    live = [command.name for command in status.commands if command.live]
    if live:
        return f"a managed run command is running on the VM ({live[0]})."
    return "" if status.conflict.kind is ConflictKind.NONE else status.conflict.sentence


def _body(location: str) -> JsonObject:
    source: JsonObject = {"script": f"echo '{SAID}'"}  # means the same in bash and in PowerShell
    properties: JsonObject = {"source": source, "asyncExecution": True, "timeoutInSeconds": _LONGEST_S}
    return {"location": location, "properties": properties}


def _judged(view: RunCommandView, left_behind: str) -> CheckResult:
    answered = f"{view.execution_word or 'no state'}, exit code {view.exit_code}: {view.output.strip()[:80]}"
    if view.exit_code != 0 or SAID not in view.output:
        cause = f"A command reached the VM and did not do what it should: {view.message or answered}"
        return failed(_ASKED, answered, cause, "Look at the log of the run command handler in the VM.")
    if left_behind:
        cause = "The test command ran well and is still there, where it takes up one of 25 places."
        return warned(_ASKED, f"{answered}; {left_behind}", cause, "Delete it in the portal.")
    return ok(_ASKED, answered)
