"""The command `afield-sandbox`."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence

from afield_sandbox.adapter.options import Options, parse
from afield_sandbox.adapter.service import Service
from afield_sandbox.errors import SandboxError


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT, or the end of the time to linger; 0 then, 1 when it could not start."""
    options = parse(arguments, os.environ)
    logging.basicConfig(format="afield-sandbox: %(message)s", level=logging.WARNING)
    try:
        asyncio.run(_run(Service(options)))
    except (OSError, SandboxError) as problem:
        print(f"afield-sandbox: {_plainly(problem, options)}", file=sys.stderr)  # noqa: T201  a command talks
        return 1
    return 0


async def _run(service: Service) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.end)
    try:
        await service.start()
        await service.serve()
    finally:
        await service.close()


def _plainly(problem: Exception, options: Options) -> str:
    if isinstance(problem, OSError) and problem.errno == errno.EADDRINUSE:
        return f"port {options.port} is taken by another program; end that one, or choose another port with --port."
    if isinstance(problem, OSError) and problem.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address {options.host}; choose another with --host."
    return str(problem)
