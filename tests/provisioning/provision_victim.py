"""A worker with its relay, to be killed: `python provision_victim.py URL HOME`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from blockbuster import blockbuster_ctx
from provision_world import settings_for, working

from afield.kernel import open_kernel


async def main() -> None:
    async with open_kernel(settings_for(Path(sys.argv[2]), sys.argv[1])) as kernel, working(kernel):
        await asyncio.Event().wait()


if __name__ == "__main__":
    with blockbuster_ctx("afield"):
        asyncio.run(main())
