"""In whose name a command acts."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from afield.cli.run import fail
from afield.errors import InvalidInputError


def _named(given: str) -> str:
    """The name given, or that of the operating system's user. Ends the command if there is neither."""
    if given.strip():
        return given.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id that has no name
        fail(InvalidInputError("The operating system does not say who you are.", hint="Say it with --as NAME."))


Who = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="NAME",
        callback=_named,
        show_default=False,
        help="In whose name, for the audit trail. Default: the operating system's user.",
    ),
]
"""An option of commands that change something. It is believed: the command line trusts its user."""
