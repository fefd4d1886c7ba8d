"""Runs the demo and draws its last screen as docs/images/demo.svg: python scripts/draw_demo.py

The picture names no font or anything else from elsewhere, so it looks the same on a machine without a network.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console

from afield.demo.cloud import Cloud
from afield.demo.crew import Crew
from afield.demo.report import in_words
from afield.demo.scene import Scene
from afield.demo.screen import picture
from afield.demo.story import Story

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "demo.svg"


async def play(folder: Path, console: Console) -> None:
    """The whole story, and what a person sees at its end."""
    async with AsyncExitStack() as stack:
        cloud, crew, scene = Cloud(folder), Crew(folder), Scene()
        stack.push_async_callback(cloud.stop)
        stack.push_async_callback(crew.stop)
        report = await Story(cloud, crew, scene).run()
        console.print(picture(scene))
        console.print()
        for line in in_words(report, scene.counts, scene.findings["remote_only"]):
            console.print(line)


def self_contained(svg: str) -> str:
    """The same picture without fonts and links from elsewhere."""
    svg = re.sub(r"@font-face\s*\{[^}]*\}", "", svg)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace, Menlo, Consolas")
    return "".join(line.rstrip() + "\n" for line in svg.splitlines() if line.strip())


def main() -> None:
    """Write the picture."""
    console = Console(record=True, width=116, file=io.StringIO(), force_terminal=True, markup=False, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="afield-demo-"))
    folder.chmod(0o755)  # the database has a user of its own when we are root
    asyncio.run(play(folder, console))
    shutil.rmtree(folder)
    svg = self_contained(console.export_svg(title="afield demo", unique_id="afield"))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(svg, encoding="utf-8")
    print(f"{PICTURE}: {len(svg)} bytes")


if __name__ == "__main__":
    main()
