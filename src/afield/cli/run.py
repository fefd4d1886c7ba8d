"""What all commands share: opening the kernel, printing results, exit codes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Annotated, NoReturn, TypeVar

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console, RenderableType
from rich.markup import escape

from afield.config import Settings
from afield.errors import AfieldError
from afield.kernel import Kernel, open_kernel

T = TypeVar("T")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]

out = Console()
err = Console(stderr=True)


class Exit(IntEnum):
    """What a command's exit code means."""

    OK = 0
    FINDINGS = 1  # something is not as it should be; the output says what
    FAILED = 2  # could not do or could not look; standard error says why


def settings() -> Settings:
    """The settings from the environment; ends the command with a clear message when one is not valid."""
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = "AFIELD_" + "_".join(map(str, problem["loc"])).upper()
            err.print(f"[red]{name}[/]: {problem['msg']}", highlight=False)
        raise typer.Exit(Exit.FAILED) from error


def with_kernel(work: Callable[[Kernel], Awaitable[T]]) -> T:
    """Open the kernel, do the work, close it. An error the user can act on ends the command with exit code 2."""
    chosen = settings()

    async def run() -> T:
        async with open_kernel(chosen) as kernel:
            return await work(kernel)

    try:
        return asyncio.run(run())
    except AfieldError as error:
        fail(error)


def fail(error: AfieldError) -> NoReturn:
    """Print an error to standard error and end with exit code 2."""
    err.print("[bold red]Error:[/]", escape(error.message), highlight=False, soft_wrap=True)
    if error.hint:
        err.print(escape(error.hint), highlight=False, soft_wrap=True)
    raise typer.Exit(Exit.FAILED) from error


def emit(data: object, human: RenderableType, as_json: bool) -> None:
    """Print a result: JSON with `--json`, else for people."""
    if as_json:
        print_json(data)
    else:
        out.print(human)


def print_json(data: object) -> None:
    """One line of JSON on standard output; knows dataclasses, enums, UUIDs and times (RFC 3339, UTC)."""
    sys.stdout.buffer.write(orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z) + b"\n")
    sys.stdout.buffer.flush()


def _plain(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be printed as JSON")
