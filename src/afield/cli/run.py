"""What all commands share: opening the kernel, printing results, exit codes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, NoReturn, TypeVar

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console, RenderableType

from afield.config import Settings
from afield.errors import AfieldError, InvalidInputError, UnavailableError
from afield.kernel import Kernel, open_kernel

T = TypeVar("T")

_WIDE = 1000


def _console(*, stderr: bool) -> Console:
    """Prints text as it is, never as markup. What is piped elsewhere is not wrapped: a row stays a line."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=None if terminal else _WIDE)


out = _console(stderr=False)
err = _console(stderr=True)


@dataclass(slots=True)
class _Mode:
    """How the command that runs now was asked to print."""

    json: bool = False


_mode = _Mode()


def set_json(wanted: bool) -> bool:
    """Remember whether results, and errors, are to be JSON."""
    _mode.json = wanted
    return wanted


JsonFlag = Annotated[
    bool,
    typer.Option("--json", help="Print JSON, and nothing else, on standard output.", callback=set_json, is_eager=True),
]


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
        wrong = (f"AFIELD_{'_'.join(map(str, one['loc']))}".upper() + f": {one['msg']}." for one in error.errors())
        fail(InvalidInputError(" ".join(wrong), hint="Change the environment variable, or unset it."))


def with_kernel(work: Callable[[Kernel], Awaitable[T]]) -> T:
    """Open the kernel, do the work, close it. An error the user can act on ends the command with exit code 2."""
    chosen = settings()

    async def run() -> T:
        # One command needs one connector at most, and nobody else waits on its event loop.
        async with open_kernel(chosen, all_connectors=False) as kernel:
            return await work(kernel)

    return finished(run)


def finished(work: Callable[[], Awaitable[T]]) -> T:
    """Run it to its end on an event loop of its own. An error the user can act on ends the command with exit code 2."""

    async def run() -> T:
        return await work()

    try:
        return asyncio.run(run())
    except AfieldError as error:
        fail(error)
    except BrokenPipeError:
        raise  # nobody reads any more; the command line library ends quietly
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        fail(UnavailableError(f"{what}.", hint="Can AFIELD_HOME be written to?"))


def fail(error: AfieldError) -> NoReturn:
    """Say what is wrong on standard error and end with exit code 2. With `--json` its last line is an object with
    `code`, `detail` and `hint`, as in the API's problems."""
    if _mode.json:
        problem = {"code": error.code, "detail": error.message, "hint": error.hint}
        err.print(orjson.dumps(problem).decode(), soft_wrap=True)
    else:
        err.print("Error:", error.message, style="bold red", soft_wrap=True)
        if error.hint:
            err.print(error.hint, soft_wrap=True)
    raise typer.Exit(Exit.FAILED) from error


def emit(data: object, human: RenderableType, as_json: bool) -> None:
    """Print a result: JSON with `--json`, else for people."""
    if as_json:
        print_json(data)
    else:
        out.print(human, soft_wrap=isinstance(human, str))


def print_json(data: object) -> None:
    """One line of JSON on standard output; knows dataclasses, enums, UUIDs and times (RFC 3339, UTC)."""
    sys.stdout.buffer.write(
        orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS) + b"\n"
    )
    sys.stdout.buffer.flush()


def _plain(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be printed as JSON")
