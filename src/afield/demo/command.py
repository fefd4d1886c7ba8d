"""`afield demo`."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from afield.cli.run import Exit, JsonFlag, err, finished, out, print_json
from afield.config import LogFormat
from afield.demo.cloud import Cloud
from afield.demo.crew import Crew
from afield.demo.report import Report, in_words
from afield.demo.scene import Scene
from afield.demo.screen import draw
from afield.demo.story import Story
from afield.errors import UnavailableError
from afield.telemetry.logs import set_up_logs


def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit when it is over instead of serving on.")] = False,
    json: JsonFlag = False,
) -> None:
    """Watch work go on in a simulated cloud while workers and the database are killed, and hostile code is run."""
    set_up_logs(level="ERROR", form=LogFormat.CONSOLE, stream=sys.stderr)
    report = finished(lambda: _demo(once=once, console=err if json else out, as_json=json))
    raise typer.Exit(Exit.OK if report.good else Exit.FINDINGS)


async def _demo(*, once: bool, console: Console, as_json: bool) -> Report:
    """Everything in a folder of its own, which is removed at the end; kept for its logs when something went wrong."""
    stop = _told_to_stop()
    folder = await asyncio.to_thread(_folder)
    cloud, crew, scene = Cloud(folder), Crew(folder), Scene()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(cloud.stop)
        stack.push_async_callback(crew.stop)
        report = await _play(Story(cloud, crew, scene), console, stop)
        if report is not None:
            _tell(report, scene, console, as_json=as_json)
        if report is not None and not once:
            console.print(where_to_look(crew.url, crew.home, cloud.instances[0]), soft_wrap=True)
            await stop.wait()
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    if report is None:
        raise UnavailableError("The demo was stopped before its end.", hint="Nothing is left running.")
    return report


def _told_to_stop() -> asyncio.Event:
    """Set by Ctrl-C, SIGTERM or a closed terminal; said twice, it does not disturb the tidying up."""
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    return stop


def _folder() -> Path:
    """A new folder; open to others, as the embedded database has a user of its own when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="afield-demo-"))
    folder.chmod(0o755)
    return folder


async def _play(story: Story, console: Console, stop: asyncio.Event) -> Report | None:
    """The story, drawn as it goes on; None when it was stopped."""
    drawing = asyncio.create_task(draw(story.scene, console))
    playing, stopping = asyncio.create_task(story.run()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return await playing if playing.done() else None
    finally:
        for task in (playing, stopping, drawing):
            task.cancel()
        await asyncio.gather(playing, stopping, drawing, return_exceptions=True)


def _tell(report: Report, scene: Scene, console: Console, *, as_json: bool) -> None:
    console.print()
    for line in in_words(report, scene.counts, scene.findings["remote_only"]):
        console.print(line, soft_wrap=True)
    if as_json:
        print_json(report.to_json())


def where_to_look(url: str, home: Path, instance: str) -> str:
    """What to open and what to type while everything is still running."""
    program = os.path.relpath(Path(sys.executable).with_name("afield"))
    run = f"AFIELD_HOME={home} {'afield' if shutil.which('afield') else program}"
    return f"""
Still running, until Ctrl-C. Where to look:
  API            {url}/openapi.json
  both sides     {url}/api/workflows/executions/cross-reference?instance_id={instance}&fresh=true
  a live table   {run} executions watch
  a comparison   {run} executions find
  a diagnosis    {run} diagnose target {instance}
  logs           {home.parent}/afield.log"""
