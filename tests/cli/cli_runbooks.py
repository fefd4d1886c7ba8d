"""Runbooks for the tests of the command line, and the machine they run on: this one."""

from __future__ import annotations

import json
from pathlib import Path

from cli_world import SECRET_KEY, Shell

from afield.config import Settings
from afield.kernel import open_kernel
from afield.model.target import DEFAULT_TENANT
from afield.runbooks.service import Runbooks, StartOrder

FAST = {"min_interval": 0.1, "max_interval": 0.3, "visibility_delay": 0, "max_visibility_delay": 1}
HEAD = """# Make room

Words for people.

```yaml
runbook_id: make-room
version: {version}
title: Make room
service: web
env: prod
risk: low
owner: ops
inputs:
  - name: folder
    type: path
    required: true
"""
LOOK = """prechecks:
  - name: look
    command: echo "looked into $INPUT_FOLDER"
    expected_output: looked
    timeout: 30s
"""


def runbook_text(steps: str, version: str = "1.0.0", checks: str = LOOK) -> str:
    """A document around these steps."""
    return f"{HEAD.format(version=version)}{checks}steps:\n{steps}```\n"


def step(name: str, command: str, *more: str) -> str:
    """A step of type command; `more`: further lines."""
    lines = [f"name: {name}", f"command: {json.dumps(command)}", "expected_output: '/./'", "timeout: 30s", *more]
    return "  - " + "\n    ".join(lines) + "\n"


PLAIN = step("sweep", 'touch "$INPUT_FOLDER/swept"; echo swept')
APPROVED = PLAIN + step("restart", "echo restarted; echo careful >&2", "requires_approval: true")
GATE = 'until [ -e "$INPUT_FOLDER/gate" ]; do sleep 0.05; done; '
GATED = step("wait", f"{GATE}echo through the gate")
UNDONE = step("sweep", 'touch "$INPUT_FOLDER/swept"; echo swept', 'rollback: rm "$INPUT_FOLDER/swept"')
FAILING = UNDONE + step(
    "restart",
    'test -e "$INPUT_FOLDER/gate" || { echo no gate; exit 3; }; echo up',
    "on_fail: stop",
    "rollback: echo down",
)


def settings_of(shell: Shell) -> Settings:
    return Settings(
        home=Path(shell.environment["AFIELD_HOME"]),
        database_url=shell.environment["AFIELD_DATABASE_URL"],
        secret_key=SECRET_KEY,
    )


async def add_here(shell: Shell, *names: str) -> None:
    """This machine as a target, under each of these names."""
    async with open_kernel(settings_of(shell)) as kernel:
        for name in names or ("here",):
            address = {"state_dir": str(shell.cwd / "state")}
            await kernel.add_target(connector="local", name=name, address=address, settings=FAST)


async def begin(shell: Shell, steps: str, *targets: str) -> int:
    """A session of an approved runbook of these steps, started by ada; without a process: other tests start them."""
    async with open_kernel(settings_of(shell)) as kernel:
        runbooks = Runbooks(kernel, DEFAULT_TENANT)
        kept, _ = await runbooks.save(runbook_text(steps), "ada")
        await runbooks.approve(kept.runbook_id, kept.version, "ada")
        order = StartOrder(
            runbook_id=kept.runbook_id,
            inputs={"folder": str(shell.cwd)},
            targets=targets or ("here",),
            started_by="ada",
        )
        session, _ = await runbooks.start(order)
        return session.id
