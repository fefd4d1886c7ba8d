"""`afield demo`."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from afield.cli.run import Exit, JsonFlag, err, fail, out, print_json
from afield.config import LogFormat
from afield.demo.cloud import Cloud
from afield.demo.crew import Crew
from afield.demo.report import Report, in_words
from afield.demo.screen import draw
from afield.demo.story import Scene, Story
from afield.errors import AfieldError
from afield.telemetry.logs import set_up_logs


def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit when it is over instead of serving on.")] = False,
    json: JsonFlag = False,
) -> None:
    """Watch real SQL run in a simulated AMC while workers and the database are killed and replies get lost."""
    set_up_logs(level="ERROR", form=LogFormat.CONSOLE, stream=sys.stderr)
    try:
        report = asyncio.run(_demo(once=once, console=err if json else out, as_json=json))
    except AfieldError as error:
        fail(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(Exit.OK) from None
    raise typer.Exit(Exit.OK if report.good else Exit.FINDINGS)


def _folder() -> Path:
    """A folder of its own; open to others, as the embedded database has a user of its own when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="afield-demo-"))
    folder.chmod(0o755)
    return folder


async def _demo(*, once: bool, console: Console, as_json: bool) -> Report:
    folder = await asyncio.to_thread(_folder)
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cloud, crew, scene = Cloud(folder), Crew(folder), Scene()
        stack.push_async_callback(cloud.stop)
        await cloud.start()
        stack.push_async_callback(crew.stop)
        scene.say("Starting the simulated cloud, the database, the web process and a worker.")
        await crew.start()
        report = await _play(Story(cloud, crew, scene), console)
        _tell(report, scene, console, as_json=as_json)
        if not once:
            await _serve_on(crew, cloud, folder, console)
    return report


async def _play(story: Story, console: Console) -> Report:
    drawing = asyncio.create_task(draw(story.scene, console))
    try:
        return await story.run()
    finally:
        await asyncio.sleep(0.3)  # one last picture
        drawing.cancel()
        await asyncio.gather(drawing, return_exceptions=True)


def _tell(report: Report, scene: Scene, console: Console, *, as_json: bool) -> None:
    console.print()
    for line in in_words(report, scene.counts, scene.findings["remote_only"]):
        console.print(line, highlight=False)
    if as_json:
        print_json(report.to_json())


async def _serve_on(crew: Crew, cloud: Cloud, folder: Path, console: Console) -> None:
    instance = cloud.instances[0]
    console.print(
        f"""
Still running, until Ctrl-C. Where to look:
  API            {crew.url}/openapi.json
  both sides     {crew.url}/api/workflows/executions/cross-reference?instance_id={instance}&fresh=true
  a live table   AFIELD_HOME={crew.home} afield executions watch
  a diagnosis    AFIELD_HOME={crew.home} afield diagnose target {instance}
  logs           {folder}/afield.log""",
        highlight=False,
    )
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    await stop.wait()
