"""One virtual machine, as its connectors hold it: where it is, and calls within its budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import structlog

from afield.clock import Clock
from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.api import AzureApi
from afield.connectors.azure.credential import require_secret
from afield.connectors.azure.failure import AzureError, Trouble
from afield.connectors.azure.pacing import CallerPace, CallKind, VmPace, pace_factor, process_paces
from afield.connectors.azure.preflight import judge
from afield.connectors.azure.view import VmView, parse_vm
from afield.connectors.base import Limits, NotSent, Refused, TargetContext


@dataclass(slots=True)
class VmTarget:
    """The VM's calls. Each raises AzureError, with OVER_BUDGET when the VM has had enough of its kind."""

    context: TargetContext
    address: VmAddress
    limits: Limits
    api: AzureApi
    pace: VmPace
    caller: CallerPace
    log: structlog.stdlib.BoundLogger

    @classmethod
    async def open(cls, context: TargetContext, defaults: Limits) -> Self:
        """Bind to the VM of the context. Makes no remote call. Raises CredentialError when keys are missing."""
        address = VmAddress.model_validate(context.address)
        require_secret(address, context.secret, context.name)
        limits = defaults.overridden(context.settings)
        factor, now = pace_factor(context.settings), context.clock.now()
        pace = process_paces.of(address.vm_key, factor, now)
        caller = process_paces.of_caller(f"{context.secret.get('client_id')}/{address.subscription_id}", factor, now)
        api = await AzureApi.open(context, address, limits.request_timeout)
        log = structlog.get_logger(__name__).bind(target=context.name, vm=address.vm_name)
        return cls(context, address, limits, api, pace, caller, log)

    @property
    def clock(self) -> Clock:
        return self.context.clock

    def allow(self, kind: CallKind, *, spare: float = 0) -> None:
        """Take one call of the budget. Raises AzureError(OVER_BUDGET) with the time until there is one."""
        now = self.clock.now()
        wait, whose = self.pace.take(kind, now, spare=spare), "this VM has had"
        if not wait:
            wait, whose = self.caller.take(kind, now), "this subscription has had from us"
        if wait:
            text = f"{whose} as many {kind} calls as Azure allows for now"
            raise AzureError(text, trouble=Trouble.OVER_BUDGET, retry_after=wait)

    async def vm(self) -> VmView:
        """The VM with its instance view, now."""
        self.allow(CallKind.READ)
        return parse_vm(await self.api.get_vm(self.address))

    async def preflight(self) -> VmView | NotSent | Refused:
        """The VM if it can take a command, as far as a look of a few minutes ago tells."""
        now = self.clock.now()
        fit = self.pace.fit(now)
        if fit is not None:
            return fit
        vm = await self.vm()
        no = judge(vm)
        if no is not None:
            return no
        self.pace.passed = vm, now
        return vm

    def forget_vm(self) -> None:
        """Look again before the next command: something was not as expected."""
        self.pace.passed = None

    async def close(self) -> None:
        await self.api.close()
