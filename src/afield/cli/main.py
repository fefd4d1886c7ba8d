"""The `afield` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from afield import __version__
from afield.cli.accounts import accounts, discover_targets, resolve_target
from afield.cli.code import code
from afield.cli.diagnose import diagnose
from afield.cli.executions import executions
from afield.cli.people import people
from afield.cli.processes import database, up, web, worker
from afield.cli.reconcile import find, reconcile
from afield.cli.run import Exit, err, out, set_json
from afield.cli.runbook import runbook
from afield.cli.session import session
from afield.cli.targets import credentials, targets
from afield.cli.tickets import tickets, webhooks
from afield.config import LogFormat
from afield.demo.command import demo
from afield.telemetry.logs import set_up_logs

app = typer.Typer(
    help="Run work in other people's systems, and know what became of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(targets, name="targets")
app.add_typer(credentials, name="credentials")
app.add_typer(executions, name="executions")
app.add_typer(diagnose, name="diagnose")
app.add_typer(accounts, name="accounts")
app.add_typer(tickets, name="tickets")
app.add_typer(webhooks, name="webhooks")
app.add_typer(runbook, name="runbook")
app.add_typer(session, name="session")
app.add_typer(code, name="code")
app.add_typer(people, name="people")
app.add_typer(database, name="db")
executions.command("find")(find)
targets.command("discover")(discover_targets)
targets.command("resolve")(resolve_target)
app.command("reconcile")(reconcile)
app.command("up")(up)
app.command("web")(web)
app.command("worker")(worker)
app.command("demo")(demo)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"afield {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run work in other people's systems, and know what became of it."""
    set_json(False)
    set_up_logs(level="WARNING", form=LogFormat.CONSOLE, stream=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point of the `afield` command; `arguments` are the process's own if not given.

    Ends the process at once. The artifact store's threads let go of their last objects whenever they please; an
    interpreter that is being taken down under them ends with SIGABRT, after the work was done and in one run of many.
    """
    code = _run(arguments)
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError, ValueError):  # whoever read it has gone, or closed it
            stream.flush()
    os._exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        app(arguments)
    except SystemExit as end:
        if isinstance(end.code, str):
            err.print(end.code, markup=False)
            return Exit.FAILED
        return end.code or Exit.OK
    return Exit.OK
