"""`afield up`, `web`, `worker`, `db`: the long-running processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

import structlog
import typer

from afield.cli.run import JsonFlag, emit, finished, settings
from afield.cli.supervise import Child
from afield.config import Settings
from afield.engine import heap
from afield.engine.worker import WorkerSettings
from afield.errors import AfieldError
from afield.kernel import open_kernel, open_worker
from afield.ledger import embedded
from afield.ledger.connect import database_url
from afield.model.target import DEFAULT_TENANT
from afield.patrol import Patrol
from afield.provisioning.relay import Relay
from afield.runbooks.tickets.outbox import Outbox
from afield.runbooks.tickets.service import Tickets
from afield.telemetry.logs import set_up_logs

log = structlog.get_logger(__name__)

database = typer.Typer(help="The embedded database, or the one AFIELD_DATABASE_URL names.", no_args_is_help=True)

_WithParent = Annotated[bool, typer.Option("--with-parent", hidden=True)]
_DATABASE_CHECK = 1.0


def _run(work: Callable[[Settings, asyncio.Event], Awaitable[None]], *, with_parent: bool = False) -> None:
    """Run a process until SIGTERM, SIGINT or, with `with_parent`, the end of standard input."""
    chosen = settings()
    set_up_logs(level=chosen.log_level, form=chosen.log_format, stream=sys.stdout)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, stop.set)
        if with_parent:
            loop.add_reader(sys.stdin.fileno(), _stop_at_end_of_input, stop)
        await work(chosen, stop)

    finished(main)


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def web(with_parent: _WithParent = False) -> None:
    """Serve the API."""

    from afield.api.serve import serve  # noqa: PLC0415 - its libraries would slow every other command down

    async def work(chosen: Settings, stop: asyncio.Event) -> None:
        await serve(chosen, stop=stop)

    _run(work, with_parent=with_parent)


def worker(with_parent: _WithParent = False) -> None:
    """Drive targets, and compare both sides of them from time to time. Run any number against one database."""

    async def work(chosen: Settings, stop: asyncio.Event) -> None:
        name = f"{socket.gethostname()}-{os.getpid()}"
        how = WorkerSettings(name=name, takeover_after=timedelta(seconds=chosen.takeover_after))
        async with open_kernel(chosen) as kernel, open_worker(kernel, how) as running:
            patrol = Patrol(kernel, timedelta(seconds=chosen.reconcile_every))
            outbox = Outbox(Tickets(kernel, DEFAULT_TENANT).write_back, kernel.clock)
            duties = (patrol.run(), outbox.run(stop), Relay(kernel).run(stop))
            beside = [asyncio.create_task(duty) for duty in duties]
            working = asyncio.create_task(running.run())
            stopping = asyncio.create_task(stop.wait())
            heap.settle()
            log.info("worker.ready", worker=name)
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            running.stop()
            patrol.stop()
            stopping.cancel()
            stop.set()
            await asyncio.gather(working, *beside)
        log.info("worker.stopped", worker=name)

    _run(work, with_parent=with_parent)


def up(
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many worker processes.")] = 1,
    port: Annotated[int | None, typer.Option(help="TCP port of the web process.")] = None,
) -> None:
    """Run everything on this machine: database, web and worker, restarted when they die."""
    if port is not None:
        os.environ["AFIELD_PORT"] = str(port)

    from afield.api.serve import bind, check_exposure  # noqa: PLC0415 - its libraries would slow every command down

    async def work(chosen: Settings, stop: asyncio.Event) -> None:
        check_exposure(chosen)
        (await bind(chosen.host, chosen.port)).close()  # a port that is taken is better said now, and once
        await database_url(chosen)
        children = [Child("web", ["web"]), *(Child(f"worker {n + 1}", ["worker"]) for n in range(workers))]
        keepers = [asyncio.create_task(child.keep()) for child in children]
        if chosen.database_url is None:
            keepers.append(asyncio.create_task(_keep_database(chosen)))
        log.info("afield.up", url=f"http://{chosen.host}:{chosen.port}", home=str(chosen.home_folder))
        await stop.wait()
        await asyncio.gather(*(child.stop() for child in children))
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        if chosen.database_url is None:
            await embedded.stop(chosen.home_folder)

    _run(work)


async def _keep_database(chosen: Settings) -> None:
    """Start the embedded database again when it died."""
    while True:
        await asyncio.sleep(_DATABASE_CHECK)
        try:
            await embedded.ensure_started(chosen.home_folder)
        except (AfieldError, OSError) as error:
            log.error("database.cannot_start", error=str(error))


@database.command("start")
def start(json: JsonFlag = False) -> None:
    """Start the embedded database if it is not running, and bring the schema up to date."""
    _database(json, "The database is running and its schema is up to date.")


@database.command("migrate")
def migrate(json: JsonFlag = False) -> None:
    """Bring the schema up to date."""
    _database(json, "The schema is up to date.")


def _database(json: bool, text: str) -> None:
    chosen = settings()
    finished(lambda: database_url(chosen))
    emit({"ok": True}, text, json)


@database.command("stop")
def stop_database(json: JsonFlag = False) -> None:
    """Stop the embedded database. With AFIELD_DATABASE_URL there is none."""
    chosen = settings()
    finished(lambda: embedded.stop(chosen.home_folder))
    emit({"ok": True}, "The embedded database is stopped.", json)
