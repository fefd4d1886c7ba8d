"""Action run commands (v1): accepted one at a time, run, answered without an exit code."""

import asyncio

from aiohttp import web

from .admission import failure_text, refuse_action
from .bodies import ActionBody
from .calls import Call
from .catalogue import default_script, removes_extension
from .cloud import Cloud
from .errors import entity_not_found
from .faults import VmFaults
from .gate import Gate, Reply, Request
from .machine import Action, Machine
from .model import TAIL_BYTES, Extension, JsonObject, Os
from .polling import accepted
from .shell import Script
from .vms import VM
from .wire_commands import action_message, action_result, script_of

_INTERRUPTED = "VMExtensionStatusNotReported"
_EVER = 1e9


class ActionRoutes:
    """POST runCommand."""

    def __init__(self, cloud: Cloud, gate: Gate) -> None:
        self._cloud = cloud
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the route."""
        self._gate.add(router, "POST", VM + "/runCommand", Call.RUN_COMMAND, self.run)

    async def run(self, request: Request) -> Reply:
        """Accept a command: 202 without a body."""
        cloud, machine = self._cloud, request.machine
        body = await request.read(ActionBody)
        if removes_extension(body.command_id, machine.vm.os):
            return await remove_extension(cloud, request)
        text = "\n".join(body.script) if body.script is not None else default_script(body.command_id, machine.vm.os)
        if default_script(body.command_id, machine.vm.os) is None or text is None:
            raise entity_not_found()
        settings, now = cloud.settings, cloud.clock.now()
        refusal = refuse_action(machine, request.faults, cloud.power_of(machine), now, settings.v1_tail_seconds)
        if refusal is not None:
            raise refusal
        action = Action(cloud.begin(machine, request.call))
        machine.action = action
        machine.extension = Extension("transitioning", "Enable in progress", now)
        script = script_of(text, body.parameters or [], also_positional=True)
        cloud.later(carry_out(cloud, machine, action, script, request.faults))
        return accepted(request, settings, action.operation)


async def remove_extension(cloud: Cloud, request: Request) -> Reply:
    """Remove the extension that runs action commands: what runs is killed, what is stuck is free again."""
    machine = request.machine
    operation = cloud.begin(machine)

    async def remove() -> None:
        if machine.action is not None:
            machine.action.killed = True
            if machine.action.run is not None:
                await machine.action.run.kill()
        await asyncio.sleep(cloud.settings.operation_seconds)
        for fault in ("stuck_v1", "false_conflict", "foreign_command"):
            cloud.faults.remove(machine.vm.name, fault)
        machine.extension = None
        cloud.operations.succeed(operation, {"value": []})

    cloud.later(remove())
    return accepted(request, cloud.settings, operation)


async def carry_out(cloud: Cloud, machine: Machine, action: Action, script: Script, faults: VmFaults) -> None:
    """Run an action command to its end; the machine is free for the next one then."""
    begun = asyncio.get_running_loop().time()
    try:
        if await _goes_wrong(cloud, machine, action, faults):
            return
        output = await _run(cloud, machine, action, script, faults)
        rest = cloud.settings.min_v1_seconds - (asyncio.get_running_loop().time() - begun)
        await asyncio.sleep(max(0.0, rest))
        _finish(cloud, machine, action, output, faults)
    except (OSError, ValueError):  # too long, or not text that a system can pass on
        _fail(cloud, machine, action, "VMExtensionProvisioningError")
    finally:
        if machine.action is action:
            machine.action = None
        cloud.pulse.beat()


async def _goes_wrong(cloud: Cloud, machine: Machine, action: Action, faults: VmFaults) -> bool:
    """Whether the command fails without having run."""
    silent = faults.agent_not_ready
    if silent is not None:
        wait = _EVER if silent.fails_after is None else silent.fails_after
        interrupted = await cloud.pulse.until(lambda: action.killed, wait)
        _fail(cloud, machine, action, _INTERRUPTED if interrupted else "VMAgentStatusCommunicationError")
        return True
    fails = faults.operation_fails
    if fails is not None and not fails.runs and cloud.faults.strikes(fails):
        _fail(cloud, machine, action, fails.code, fails.message)
        return True
    return False


async def _run(
    cloud: Cloud, machine: Machine, action: Action, script: Script, faults: VmFaults
) -> tuple[int, tuple[bytes, bytes]]:
    """The exit code and the ends of both streams; those of an earlier command when a fault says so."""
    stale = faults.stale_output
    old = stale is not None and cloud.faults.strikes(stale)
    result = 0, (b"", b"")
    if stale is None or not old or stale.runs:
        run, line = await machine.run(cloud.confinement, "v1", action.operation.id, script)
        action.run = run
        code = await run.wait()
        machine.ended(run, line, code)
        result = code or 0, await run.tails(TAIL_BYTES)
    if stale is not None and old:
        earlier = machine.last_output if stale.output is None else stale.output
        return 0, (earlier.encode(), b"")
    machine.last_output = result[1][0].decode(errors="replace")
    return result


def _finish(
    cloud: Cloud, machine: Machine, action: Action, output: tuple[int, tuple[bytes, bytes]], faults: VmFaults
) -> None:
    code, tails = output
    fails = faults.operation_fails
    if action.killed:
        _fail(cloud, machine, action, _INTERRUPTED)
    elif fails is not None and fails.runs and cloud.faults.strikes(fails):
        _fail(cloud, machine, action, fails.code, fails.message)
    elif code and machine.vm.os is Os.WINDOWS and cloud.settings.windows_exit_fails:
        _fail(cloud, machine, action, "VMExtensionProvisioningError")
    else:
        truncated = faults.output_truncated
        size = truncated.bytes if truncated and cloud.faults.strikes(truncated) else TAIL_BYTES
        _succeed(cloud, machine, action, tails, size)


def _succeed(cloud: Cloud, machine: Machine, action: Action, tails: tuple[bytes, bytes], size: int) -> None:
    machine.extension = Extension("succeeded", action_message(tails, size), cloud.clock.now())
    machine.action = None
    value: list[JsonObject] = action_result(machine.vm.os, tails, size)
    cloud.operations.succeed(action.operation, {"value": value})


def _fail(cloud: Cloud, machine: Machine, action: Action, code: str, message: str | None = None) -> None:
    text = failure_text(code, machine, message)
    known = "VMExtensionProvisioningError" if code == _INTERRUPTED else code
    machine.extension = Extension("failed", text, cloud.clock.now())
    machine.action = None
    cloud.operations.fail(action.operation, known, text)
