"""Carrying out a managed run command: from Creating to the end of its script."""

import asyncio
from dataclasses import dataclass, field

from .admission import failure_text
from .cloud import Cloud
from .faults import VmFaults
from .machine import Machine, RunCommand
from .model import TAIL_BYTES, JournalLine, Operation, Provisioning, State, View
from .shell import Script, ScriptRun
from .uploads import Upload, UploadError
from .wire_commands import NO_SCRIPT, finish, script_of, show_tails

_DOWNLOAD_FAILED = -100
_BLOB_FAILED = -101
_START_FAILED = -200
_KILLED = -1


@dataclass(slots=True)
class Job:
    """One execution of a managed run command, the view it fills, and the operation that announces it."""

    cloud: Cloud
    machine: Machine
    command: RunCommand
    operation: Operation
    faults: VmFaults
    view: View
    uploads: list[Upload] = field(default_factory=list)

    @property
    def outdated(self) -> bool:
        """Whether the command was deleted, or given other work, meanwhile."""
        return self.command.provisioning is Provisioning.DELETING or self.command.view is not self.view

    def provision(self) -> None:
        """The platform has done its part."""
        if not self.outdated:
            self.command.provisioning = Provisioning.SUCCEEDED
        self.cloud.operations.succeed(self.operation)

    def fail(self, code: str, message: str | None = None) -> None:
        """The platform could not do its part."""
        if not self.outdated:
            self.command.provisioning = Provisioning.FAILED
        self.cloud.operations.fail(self.operation, code, failure_text(code, self.machine, message))

    def end(self, exit_code: int, message: str | None = None) -> None:
        """The script ended, or could not be run."""
        finish(self.view, exit_code, self.cloud.clock.now(), message)
        properties = self.command.properties
        if exit_code and properties.treat_failure_as_deployment_failure and not properties.async_execution:
            self.fail("VMExtensionProvisioningError", self.view.message)
        else:
            self.provision()


async def carry_out(job: Job) -> None:
    """Run a managed run command to its end."""
    if await _goes_wrong(job):
        return
    script = await _script(job)
    if script is None or job.outdated:
        return
    stale = job.faults.stale_output
    if stale is not None and job.cloud.faults.strikes(stale):
        if stale.runs:
            await _run(job, script)
        earlier = job.machine.last_output if stale.output is None else stale.output
        show_tails(job.view, (earlier.encode(), b""))
        job.end(0)
    else:
        await _run(job, script)
    job.cloud.pulse.beat()


async def _goes_wrong(job: Job) -> bool:
    """Whether the command fails without having run."""
    silent, fails = job.faults.agent_not_ready, job.faults.operation_fails
    if silent is not None:
        if silent.fails_after is None:
            return True
        await asyncio.sleep(silent.fails_after)
        job.fail("VMAgentStatusCommunicationError")
        return True
    if fails is not None and job.cloud.faults.strikes(fails):
        job.fail(fails.code, fails.message)
        return not fails.runs
    return False


async def _script(job: Job) -> Script | None:
    """The script to run; None when there is none, which the view then says."""
    properties = job.command.properties
    source = properties.source
    parameters = [*(properties.parameters or []), *(properties.protected_parameters or [])]
    if source is not None and source.script:
        return script_of(source.script, parameters)
    if source is not None and source.script_uri:
        text = await _download(job, source.script_uri)
        return None if text is None else script_of(text, parameters)
    now = job.cloud.clock.now()
    job.view.state, job.view.message = State.RUNNING, NO_SCRIPT
    job.view.started_at = job.view.ended_at = now
    job.provision()
    return None


async def _download(job: Job, address: str) -> str | None:
    try:
        async with job.cloud.http.get(address) as reply:
            if reply.status == 200:
                return await reply.text()
            problem = f"status {reply.status}"
    except (OSError, ValueError) as error:
        problem = type(error).__name__
    job.end(_DOWNLOAD_FAILED, f"Execution failed: failed to download script: {problem}")
    return None


async def _run(job: Job, script: Script) -> None:
    try:
        run, line = await job.machine.run(job.cloud.confinement, "v2", job.command.name, script)
    except (OSError, ValueError) as error:  # too long, or not text that a system can pass on
        job.end(_START_FAILED, f"Execution failed: failed to start the script: {error}")
        return
    if job.outdated:
        await _stop(job, run, line)
        return
    job.command.run = run
    job.view.state, job.view.message = State.RUNNING, "Execution in progress"
    job.view.started_at = job.cloud.clock.now()
    try:
        await _open_uploads(job, run)
    except UploadError as error:
        await _stop(job, run, line)
        job.end(_BLOB_FAILED, f"Execution failed: failed to create output blob: {error}")
        return
    if job.command.properties.async_execution:
        job.provision()
    job.cloud.pulse.beat()
    code = await _watch(job, run)
    timed_out = code is None
    if timed_out:
        await run.kill()
    job.machine.ended(run, line, code)
    await _show(job, run)
    await asyncio.sleep(job.cloud.settings.status_lag_s)
    interrupted = "Execution failed: the script was interrupted" if run.killed and not timed_out else None
    job.end(_KILLED if code is None or run.killed else code, interrupted)
    job.machine.last_output = job.view.output


async def _stop(job: Job, run: ScriptRun, line: JournalLine) -> None:
    await run.kill()
    job.machine.ended(run, line, None)


async def _watch(job: Job, run: ScriptRun) -> int | None:
    """The exit code, with the view refreshed meanwhile; None when the time was over."""
    loop = asyncio.get_running_loop()
    limit = job.command.properties.timeout_in_seconds
    deadline = loop.time() + limit if limit > 0 else None
    while True:
        grain = job.cloud.settings.status_grain_s
        left = grain if deadline is None else min(grain, deadline - loop.time())
        if left <= 0:
            return None
        code = await run.wait(left)
        if code is not None:
            return code
        await _show(job, run)


async def _show(job: Job, run: ScriptRun) -> None:
    """Put what the script printed so far where it can be seen."""
    truncated = job.faults.output_truncated
    short = truncated is not None and job.cloud.faults.strikes(truncated)
    size = truncated.bytes if truncated is not None and short else TAIL_BYTES
    show_tails(job.view, await run.tails(TAIL_BYTES), size)
    for upload in job.uploads:
        try:
            await upload.go_on()
        except UploadError:  # what is lost is lost: the script goes on, as on a real machine
            job.uploads = [one for one in job.uploads if one is not upload]


async def _open_uploads(job: Job, run: ScriptRun) -> None:
    properties = job.command.properties
    for address, file in ((properties.output_blob_uri, run.stdout), (properties.error_blob_uri, run.stderr)):
        if address:
            upload = Upload(job.cloud.http, address, file)
            await upload.create()
            job.uploads.append(upload)
