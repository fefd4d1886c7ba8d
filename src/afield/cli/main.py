"""The `afield` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from afield import __version__
from afield.cli.catalogue import Catalogue
from afield.cli.run import Exit, err, out, set_json
from afield.config import LogFormat
from afield.telemetry.logs import set_up_logs

PLACES = {
    "targets": "afield.cli.targets:targets",
    "targets discover": "afield.cli.accounts:discover_targets",
    "targets resolve": "afield.cli.accounts:resolve_target",
    "credentials": "afield.cli.targets:credentials",
    "executions": "afield.cli.executions:executions",
    "executions find": "afield.cli.reconcile:find",
    "diagnose": "afield.cli.diagnose:diagnose",
    "accounts": "afield.cli.accounts:accounts",
    "tickets": "afield.cli.tickets:tickets",
    "webhooks": "afield.cli.tickets:webhooks",
    "runbook": "afield.cli.runbook:runbook",
    "session": "afield.cli.session:session",
    "code": "afield.cli.code:code",
    "provision": "afield.cli.provision:provision",
    "people": "afield.cli.people:people",
    "db": "afield.cli.processes:database",
    "reconcile": "afield.cli.reconcile:reconcile",
    "up": "afield.cli.processes:up",
    "web": "afield.cli.processes:web",
    "worker": "afield.cli.processes:worker",
    "chat": "afield.cli.chat:chat",
    "demo": "afield.demo.command:demo",
}
"""Every command, in the order of the help."""


class _Commands(TyperGroup):
    """The commands of PLACES."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Catalogue(PLACES)  # type: ignore[assignment]


app = typer.Typer(
    cls=_Commands,
    help="Run work in other people's systems, and know what became of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


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
