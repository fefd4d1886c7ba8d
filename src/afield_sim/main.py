"""The command `afield-sim`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from .ready import write_ready_file
from .simulator import SimulatorOptions, simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 0 when stopped so, 1 when it could not start."""
    parsed = _parser().parse_args(arguments)
    parsed.ready_file.unlink(missing_ok=True)
    try:
        asyncio.run(_run(parsed))
    except OSError as error:
        print(f"afield-sim: {error}", file=sys.stderr)  # noqa: T201 - a command talks
        return 1
    return 0


async def _run(parsed: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    options = SimulatorOptions(
        host=parsed.host,
        port=parsed.port,
        data=parsed.data,
        seed=parsed.seed,
        instances=parsed.instances,
        last_day=parsed.last_day,
        vms=parsed.vms,
        windows_vms=parsed.windows_vms,
        pools=parsed.pools,
        websites=parsed.websites,
    )
    async with simulator(options) as server:
        write_ready_file(parsed.ready_file, server.describe())
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="afield-sim", description="Remote systems emulated over real HTTP.")
    parser.add_argument("--ready-file", type=Path, required=True, help="written when it listens: URLs, credentials")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    parser.add_argument("--data", type=Path, help="folder for state that survives a restart; default: memory only")
    parser.add_argument("--seed", type=int, default=7, help="of the advertising data and of chance")
    parser.add_argument("--instances", type=int, default=3, help="how many AMC instances there are")
    parser.add_argument("--last-day", type=date.fromisoformat, help="of the advertising data; default today (UTC)")
    parser.add_argument("--vms", type=int, default=4, help="how many Linux virtual machines there are")
    parser.add_argument(
        "--windows-vms", type=int, default=0, help="how many Windows ones (bash stands in for PowerShell)"
    )
    parser.add_argument(
        "--pools", type=int, default=0, help="how many session pools start containers at once; the others when used"
    )
    parser.add_argument("--websites", action="store_true", help="serve the company websites, on some fifty ports")
    return parser
