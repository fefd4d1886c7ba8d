"""`afield diagnose`: why does it not work? Reads only, and ends in one sentence."""

from __future__ import annotations

from typing import Annotated

import typer

from afield import diagnoses
from afield.cli.executions import parse_id
from afield.cli.run import Exit, JsonFlag, emit, with_kernel
from afield.connectors.base import CheckVerdict
from afield.diagnose.diagnosis import Diagnosis, to_json, to_text
from afield.kernel import Kernel
from afield.model.target import DEFAULT_TENANT

diagnose = typer.Typer(help="Why does it not work? Reads only.", no_args_is_help=True)

_EXITS = {
    CheckVerdict.OK: Exit.OK,
    CheckVerdict.SKIPPED: Exit.OK,
    CheckVerdict.WARN: Exit.FINDINGS,
    CheckVerdict.FAIL: Exit.FINDINGS,
    CheckVerdict.COULD_NOT_LOOK: Exit.FAILED,
}


def finish(found: Diagnosis, json: bool) -> None:
    """Print a diagnosis, and end the command with the code that says how it is."""
    emit(to_json(found), to_text(found), json)
    raise typer.Exit(_EXITS[found.verdict])


@diagnose.command("target")
def diagnose_target(
    target: Annotated[str, typer.Argument(help="Name, id, or the remote's own name for it.")],
    intrusive: Annotated[
        list[str] | None, typer.Option(help="Name of a check that does more than read; refused while something runs.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Climb a target's ladder of checks."""

    async def work(kernel: Kernel) -> Diagnosis:
        return await diagnoses.of_target(kernel, await kernel.find_target(target), intrusive or [])

    finish(with_kernel(work), json)


@diagnose.command("execution")
def diagnose_execution(
    execution: Annotated[str, typer.Argument(help="An execution's id.")], json: JsonFlag = False
) -> None:
    """Why an execution is where it is, and what happens to it next."""
    execution_id = parse_id(execution)

    async def work(kernel: Kernel) -> Diagnosis:
        return await diagnoses.of_execution(kernel, await kernel.ledger.execution(execution_id, DEFAULT_TENANT))

    finish(with_kernel(work), json)


@diagnose.command("session")
def diagnose_session(
    session: Annotated[int, typer.Argument(metavar="ID", help="A session's number.")], json: JsonFlag = False
) -> None:
    """Why a session is where it is, what happens next, and the ladder of the execution it waits for."""

    async def work(kernel: Kernel) -> Diagnosis:
        return await diagnoses.of_session(kernel, session, DEFAULT_TENANT)

    finish(with_kernel(work), json)
