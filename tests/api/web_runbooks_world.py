"""Runbooks over real HTTP: a machine of this computer, a worker, and texts of runbooks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from web_world import Json, Web

from afield.connectors.local.connector import LocalConnector
from afield.connectors.registry import names, register
from afield.kernel import Kernel

if "local" not in names():
    register(LocalConnector)

FAST = {"min_interval": 0.05, "max_interval": 0.2, "visibility_delay": 0, "max_visibility_delay": 0.5}
FINAL = ("completed", "completed_with_errors", "failed", "cancelled", "rolled_back", "rollback_failed", "abandoned")

_TEXT = """# {runbook_id}

```yaml
runbook_id: {runbook_id}
version: {version}
title: Free space
service: shop
env: {env}
risk: low
owner: platform
inputs:
  - name: folder
    type: path
    default: /var/log/app
steps:
{steps}
```
"""
CLEAN = """  - name: Clean up
    command: echo cleaning {{ folder }}
    timeout: 60s
"""
ASK_FIRST = """  - name: Clean up
    command: echo cleaning {{ folder }}
    timeout: 60s
    requires_approval: true
"""
WAIT = """  - name: Wait
    command: sleep 600
    timeout: 900s
"""


def a_runbook(steps: str = CLEAN, *, runbook_id: str = "free-space", version: str = "1.0.0", env: str = "dev") -> str:
    """The text of a runbook."""
    return _TEXT.format(runbook_id=runbook_id, version=version, env=env, steps=steps)


async def a_machine(kernel: Kernel, tmp_path: Path, name: str = "here") -> str:
    """A target on this computer; returns its id."""
    address: Any = {"state_dir": str(tmp_path / "run" / name), "kill_after_s": 1}
    settings: Any = FAST
    return str((await kernel.add_target(connector="local", name=name, address=address, settings=settings)).id)


async def approved(web: Web, text: str | None = None, **more: Any) -> None:
    """The runbook, saved and approved."""
    text = text or a_runbook()
    saved = await web.call("POST", "/api/v1/runbooks", data=text.encode(), headers={"content-type": "text/markdown"})
    assert saved.status == 201, saved.content
    kept = saved.json["runbook"]
    done = await web.post(f"/api/v1/runbooks/{kept['runbook_id']}/{kept['version']}/approve", **more)
    assert done.status == 200, done.content


async def started(web: Web, **more: Any) -> int:
    """A session that was started on the machine."""
    made = await web.post("/api/v1/agent/execute", {"runbook_id": "free-space", "targets": ["here"]} | more)
    assert made.status == 201, made.content
    return int(made.json["id"])


async def until(web: Web, session_id: int, *states: str) -> Json:
    """Follow the session's events until it is in one of these states."""
    path = f"/api/v1/agent/{session_id}"
    async with asyncio.timeout(20), web.session.get(f"{web.url}{path}/events/stream") as stream:
        async for line in stream.content:
            if line.startswith(b"data:"):
                shown: Json = (await web.get(path)).json
                if shown["state"] in (states or FINAL):
                    return shown
    raise AssertionError("the stream ended")


async def steps_of(web: Web, session_id: int) -> list[Json]:
    steps: list[Json] = (await web.get(f"/api/v1/agent/{session_id}/steps")).json["items"]
    return steps


async def control(web: Web, session_id: int, action: str, **more: Any) -> Json:
    """One action that is allowed."""
    done = await web.post(f"/api/v1/agent/{session_id}/control", {"action": action} | more)
    assert done.status == 200, done.content
    shown: Json = done.json
    return shown


async def one_pending(web: Web) -> Json:
    """The one step that waits for a person."""
    (waiting,) = (await web.get("/api/v1/agent/pending-approvals")).json["items"]
    found: Json = waiting
    return found


async def approve(web: Web, session_id: int, approved: bool = True, **more: Any) -> Json:
    """An answer to the one step that waits."""
    waiting = await one_pending(web)
    body = {"step": waiting["step"]["number"], "approved": approved, "digest": waiting["digest"]}
    done = await web.post(f"/api/v1/agent/{session_id}/approve-step", body, **more)
    assert done.status == 200, done.content
    shown: Json = done.json
    return shown
