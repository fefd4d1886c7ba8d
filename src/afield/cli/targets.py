"""`afield targets`: places where work can run; `afield credentials`: what opens them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from afield.cli.run import JsonFlag, emit, fail, with_kernel
from afield.cli.show import targets_table
from afield.errors import InvalidInputError
from afield.kernel import Kernel
from afield.model.jsontypes import JsonObject
from afield.model.target import DEFAULT_TENANT, Target

targets = typer.Typer(help="Places in other people's systems where work can run.", no_args_is_help=True)
credentials = typer.Typer(help="What opens targets; secrets go in and never come out.", no_args_is_help=True)

_EXAMPLE = 'Give an object such as {"name": "value"}, or @FILE, or - for standard input.'
_JsonText = Annotated[str, typer.Option(help="A JSON object, or @FILE, or - for standard input.")]


def read_json(text: str) -> JsonObject:
    """A JSON object from the text itself, from @FILE, or from standard input (-). Ends the command if it is none."""
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        value: object = orjson.loads(text)
    except OSError as error:
        fail(InvalidInputError(f"{text[1:]} cannot be read: {error.strerror}."))
    except ValueError as error:  # not JSON, or not even text
        fail(InvalidInputError(f"That is not JSON: {error}.", hint=_EXAMPLE))
    if not isinstance(value, dict):
        fail(InvalidInputError("A JSON object is needed.", hint=_EXAMPLE))
    return value


@targets.command("list")
def list_targets(json: JsonFlag = False) -> None:
    """All targets, with their drivers and last looks."""

    async def work(kernel: Kernel) -> None:
        found = await kernel.ledger.targets(DEFAULT_TENANT)
        emit(found, targets_table(found, kernel.clock.now()), json)

    with_kernel(work)


@targets.command("add")
def add_target(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    connector: Annotated[str, typer.Option(help="The kind of remote system: amc, ...")],
    address: _JsonText,
    credential: Annotated[str | None, typer.Option(help="Name of a credential.")] = None,
    settings: _JsonText = "{}",
    json: JsonFlag = False,
) -> None:
    """Record a target. Its address is checked before anything is written."""

    where, limits = read_json(address), read_json(settings)

    async def work(kernel: Kernel) -> Target:
        return await kernel.add_target(
            connector=connector, name=name, address=where, settings=limits, credential=credential
        )

    target = with_kernel(work)
    emit(target, f"Target {target.name} is recorded ({target.id}).", json)


@targets.command("show")
def show_target(target: Annotated[str, typer.Argument(help="Name or id.")], json: JsonFlag = False) -> None:
    """One target, whole."""

    async def work(kernel: Kernel) -> None:
        found = await kernel.find_target(target)
        emit(found, targets_table([found], kernel.clock.now()), json)

    with_kernel(work)


def _texts(values: JsonObject) -> dict[str, str]:
    """Secret values: all of them text. Ends the command if they are not; says which, and never what they are."""
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    if len(texts) < len(values):
        names = ", ".join(sorted(values.keys() - texts.keys()))
        fail(InvalidInputError(f"Secret values are text, and this is not: {names}."))
    return texts


@credentials.command("add")
def add_credential(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    connector: Annotated[str, typer.Option(help="The kind of remote system: amc, ...")],
    secret: Annotated[str, typer.Option(help="JSON object of secret values: @FILE or - keeps them out of the shell.")],
    json: JsonFlag = False,
) -> None:
    """Store a credential, encrypted."""

    values = _texts(read_json(secret))

    async def work(kernel: Kernel) -> None:
        stored = await kernel.credentials.add(DEFAULT_TENANT, name, connector, values)
        emit({"id": stored.id, "name": name}, f"Credential {name} is stored.", json)

    with_kernel(work)


@credentials.command("list")
def list_credentials(json: JsonFlag = False) -> None:
    """Names of the credentials there are. Never their secrets."""

    async def work(kernel: Kernel) -> None:
        found = await kernel.credentials.list(DEFAULT_TENANT)
        plain = [{"id": one.id, "name": one.name, "connector": one.connector} for one in found]
        emit(plain, "\n".join(f"{one.name}  ({one.connector})" for one in found) or "No credentials.", json)

    with_kernel(work)
