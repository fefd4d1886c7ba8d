"""`afield executions`: submit, list, show, watch, cancel, output, find."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from afield.cli.run import Exit, JsonFlag, emit, err, fail, print_json, with_kernel
from afield.cli.show import execution_card, executions_table
from afield.cli.targets import read_json
from afield.cli.watch import watch_table
from afield.errors import InvalidInputError, NotFoundError
from afield.kernel import Kernel, Order
from afield.ledger.base import EventFilter, ExecutionFilter
from afield.model.execution import Execution, Resubmit
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT

executions = typer.Typer(help="Pieces of work, and what became of them.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(help="An execution's id.")]
_TargetOption = Annotated[str | None, typer.Option("--target", help="Name or id of a target.")]


def parse_id(text: str) -> UUID:
    """An execution's id. Ends the command when it is none."""
    try:
        return UUID(text)
    except ValueError:
        fail(InvalidInputError(f"{text!r} is not an execution's id.", hint="`afield executions list` shows ids."))


@executions.command("submit")
def submit(
    target: Annotated[str, typer.Argument(help="Name or id of the target.")],
    spec: Annotated[str, typer.Option(help="JSON object: what to run; @FILE or - for standard input.")],
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key never records a second one.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="name=value; can be repeated.")] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, max=30 * 86_400, help="Seconds after which it is stopped.")
    ] = None,
    never_resubmit: Annotated[bool, typer.Option(help="If it is shown absent, ask a person first.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for its end; exit code 1 unless it succeeded.")] = False,
    json: JsonFlag = False,
) -> None:
    """Record an execution; a worker takes it from there."""
    order = Order(
        target=target,
        spec=read_json(spec),
        labels=dict(_label(one) for one in label or ()),
        idempotency_key=key,
        resubmit=Resubmit.NEVER if never_resubmit else Resubmit.WHEN_ABSENT,
        timeout_s=timeout,
    )

    async def work(kernel: Kernel) -> Execution:
        created = await kernel.submit(order)
        err.print(f"Execution {created.execution.id} is {'already ' * created.replayed}recorded.")
        return await _ended(kernel, created.execution.id) if wait else created.execution

    execution = with_kernel(work)
    emit(execution, f"{execution.id}  {execution.state}", json)
    if wait and execution.state is not ExecutionState.SUCCEEDED:
        raise typer.Exit(Exit.FINDINGS)


def _label(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        fail(InvalidInputError(f"The label {text!r} is not of the form name=value."))
    return name, value


async def _ended(kernel: Kernel, execution_id: UUID) -> Execution:
    """Follow the event feed until the execution is complete."""
    after = await kernel.ledger.last_seq()
    execution = await kernel.ledger.execution(execution_id)
    if execution.complete:
        return execution
    mine = EventFilter(tenant_id=execution.tenant_id, execution_id=execution_id)
    async for _event in kernel.ledger.follow(mine, after=after):
        execution = await kernel.ledger.execution(execution_id)
        if execution.complete:
            break
    return execution


@executions.command("list")
def list_executions(
    target: _TargetOption = None,
    state: Annotated[list[ExecutionState] | None, typer.Option(help="Only in this state; can be repeated.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="name=value; can be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="From the previous page's next_cursor.")] = None,
    json: JsonFlag = False,
) -> None:
    """Executions, newest first."""

    async def work(kernel: Kernel) -> None:
        wanted = ExecutionFilter(
            tenant_id=DEFAULT_TENANT,
            target_id=(await kernel.find_target(target)).id if target else None,
            states=frozenset(state or ()),
            labels=dict(_label(one) for one in label or ()),
        )
        page = await kernel.ledger.executions(wanted, limit=limit, cursor=cursor)
        names = {str(one.id): one.name for one in await kernel.ledger.targets(DEFAULT_TENANT)}
        emit(page, executions_table(page.items, names, kernel.clock.now()), json)
        if page.next_cursor and not json:
            err.print(f"More: --cursor {page.next_cursor}")

    with_kernel(work)


@executions.command("show")
def show(execution: _Id, json: JsonFlag = False) -> None:
    """One execution: facts from both sides, its attempts, and the whole timeline."""
    execution_id = parse_id(execution)

    async def work(kernel: Kernel) -> None:
        row = await kernel.ledger.execution(execution_id, DEFAULT_TENANT)
        target = await kernel.ledger.target(row.target_id)
        attempts = await kernel.ledger.attempts(execution_id)
        mine = EventFilter(tenant_id=DEFAULT_TENANT, execution_id=execution_id)
        events = await kernel.ledger.events(mine, limit=10_000)
        data = {"execution": row, "target": target.name, "attempts": attempts, "events": events}
        emit(data, execution_card(row, target, attempts, events), json)

    with_kernel(work)


@executions.command("cancel")
def cancel(execution: _Id, json: JsonFlag = False) -> None:
    """Ask for a cancel. What came of it shows in the execution's state."""
    execution_id = parse_id(execution)

    async def work(kernel: Kernel) -> None:
        row = await kernel.cancel(execution_id, "cli")
        emit(row, f"Asked to cancel {row.id}; it is {row.state} now.", json)

    with_kernel(work)


@executions.command("output")
def output(
    execution: _Id,
    to: Annotated[Path | None, typer.Option(help="File to write; standard output if not given.")] = None,
) -> None:
    """The collected output, as it is."""
    execution_id = parse_id(execution)

    async def work(kernel: Kernel) -> None:
        row = await kernel.ledger.execution(execution_id, DEFAULT_TENANT)
        artifact = (row.output or {}).get("artifact")
        if not isinstance(artifact, str):
            raise NotFoundError(
                f"Execution {row.id} has no stored output.",
                hint=f"It is {row.state}, its output is {row.output_state}.",
            )
        with ExitStack() as stack:
            stream = stack.enter_context(await asyncio.to_thread(to.open, "wb")) if to else sys.stdout.buffer
            async for piece in kernel.artifacts.read(artifact):
                await asyncio.to_thread(stream.write, piece)
            stream.flush()

    with_kernel(work)


@executions.command("watch")
def watch(
    target: _TargetOption = None,
    every: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between two pictures.")] = 1.0,
    json: JsonFlag = False,
) -> None:
    """A live table of both sides; with --json, a line of JSON for each event. Ends with Ctrl-C."""

    async def work(kernel: Kernel) -> None:
        target_id = (await kernel.find_target(target)).id if target else None
        if not json:
            await watch_table(kernel, target_id, every)
            return
        wanted = EventFilter(tenant_id=DEFAULT_TENANT, target_id=target_id)
        async for event in kernel.ledger.follow(wanted, after=await kernel.ledger.last_seq()):
            print_json(event)

    with suppress(KeyboardInterrupt):
        with_kernel(work)
