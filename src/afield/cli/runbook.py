"""`afield runbook`: written as files, kept in versions, planned, started."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Group

from afield.cli.run import Exit, JsonFlag, emit, err, fail, print_json, with_kernel
from afield.cli.runbook_show import (
    linted_json,
    plan_card,
    plan_json,
    problem_lines,
    version_json,
    versions_table,
)
from afield.cli.session_show import session_json
from afield.cli.session_watch import watch_session
from afield.cli.who import Who
from afield.errors import InvalidInputError
from afield.kernel import Kernel
from afield.model.session import Session
from afield.model.target import DEFAULT_TENANT
from afield.runbooks.format import runbook_schema
from afield.runbooks.lint import lint
from afield.runbooks.model import Environment
from afield.runbooks.plan import SessionPlan
from afield.runbooks.problems import has_errors
from afield.runbooks.service import Runbooks, StartOrder
from afield.runbooks.versions import RunbookVersion, Status

runbook = typer.Typer(help="Runbooks: checked, kept in versions, planned and started.", no_args_is_help=True)

_WATCH_EVERY_S = 1.0

_Id = Annotated[str, typer.Argument(metavar="ID", help="The runbook_id in its text.")]
_Version = Annotated[str, typer.Argument(metavar="VERSION", help="The version in its text.")]
_VersionOption = Annotated[
    str | None, typer.Option("--version", help="This version; if not given, the newest approved one.")
]
_Targets = Annotated[list[str] | None, typer.Option("--target", help="Name or id, a lane for each; can be repeated.")]
_Inputs = Annotated[list[str] | None, typer.Option("--input", metavar="NAME=VALUE", help="Can be repeated.")]
_Ticket = Annotated[str | None, typer.Option(help="What it is done for; without --target also says where.")]


def _of(kernel: Kernel) -> Runbooks:
    return Runbooks(kernel, DEFAULT_TENANT)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(InvalidInputError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}."))


@runbook.command("lint")
def lint_files(files: Annotated[list[Path], typer.Argument(help="Markdown files.")], json: JsonFlag = False) -> None:
    """What is wrong with runbooks, and where. Needs no database. Exit code 1 when there are errors."""
    found = [(str(file), lint(_read(file))) for file in files]
    lines = [line for name, problems in found for line in problem_lines(name, problems)]
    emit([linted_json(name, problems) for name, problems in found], Group(*lines) if lines else "No problems.", json)
    raise typer.Exit(Exit.FINDINGS if any(has_errors(problems) for _, problems in found) else Exit.OK)


@runbook.command("schema")
def schema(json: JsonFlag = False) -> None:
    """The JSON schema of a runbook's YAML block, for editors. With --json in one line."""
    if json:
        print_json(runbook_schema())
    else:
        sys.stdout.write(orjson.dumps(runbook_schema(), option=orjson.OPT_INDENT_2).decode() + "\n")


@runbook.command("save")
def save(file: Annotated[Path, typer.Argument(help="Markdown file.")], by: Who = "", json: JsonFlag = False) -> None:
    """Keep a text as a draft, and say what is wrong with it. Exit code 1 when it has errors."""
    text = _read(file)

    async def work(kernel: Kernel) -> Exit:
        kept, problems = await _of(kernel).save(text, by)
        said = f"{kept.name} is kept as {'a draft' if kept.status is Status.DRAFT else kept.status}."
        lines = Group(*problem_lines(str(file), problems), said)
        emit({"runbook": version_json(kept), "problems": [one.to_json() for one in problems]}, lines, json)
        return Exit.FINDINGS if has_errors(problems) else Exit.OK

    raise typer.Exit(with_kernel(work))


@runbook.command("list")
def list_runbooks(
    service: Annotated[str | None, typer.Option(help="Only of this service.")] = None,
    env: Annotated[Environment | None, typer.Option(help="Only for this environment.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="From the previous page's next_cursor.")] = None,
    json: JsonFlag = False,
) -> None:
    """Versions of all runbooks, by runbook, newest first."""

    async def work(kernel: Kernel) -> None:
        store = _of(kernel).store
        found, following = await store.page(
            DEFAULT_TENANT, service=service, env=env, status=status, limit=limit, cursor=cursor
        )
        page = {"items": [version_json(one) for one in found], "next_cursor": following}
        emit(page, versions_table(found), json)
        if following and not json:
            err.print(f"More: --cursor {following}")

    with_kernel(work)


@runbook.command("show")
def show(
    runbook_id: _Id,
    version: Annotated[
        str | None, typer.Option(help="This version; if not given, the newest approved one, else the newest.")
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="Its text alone, as it was saved.")] = False,
    json: JsonFlag = False,
) -> None:
    """One version of a runbook, and what other versions there are."""

    async def work(kernel: Kernel) -> tuple[RunbookVersion, list[RunbookVersion]]:
        store = _of(kernel).store
        versions = await store.versions(DEFAULT_TENANT, runbook_id)
        if version is not None:
            return await store.get(DEFAULT_TENANT, runbook_id, version), versions
        return next((one for one in versions if one.status is Status.APPROVED), versions[0]), versions

    found, versions = with_kernel(work)
    if text and not json:
        sys.stdout.write(found.text)
    else:
        others = [version_json(one) for one in versions]
        emit({"runbook": version_json(found, text=True), "versions": others}, _card(found, versions), json)


def _card(found: RunbookVersion, versions: list[RunbookVersion]) -> Group:
    steps = [f"  {phase}  {step.name}  ({step.type})" for phase, _, step in found.runbook().all_steps()]
    return Group(versions_table(versions), "", f"{found.name}: {found.title}", *steps)


@runbook.command("approve")
def approve(runbook_id: _Id, version: _Version, by: Who = "", json: JsonFlag = False) -> None:
    """Let a version be started. Refused while it has errors, and to its author where the risk is high."""

    async def work(kernel: Kernel) -> None:
        kept = await _of(kernel).approve(runbook_id, version, by)
        emit(version_json(kept), f"{kept.name} is approved.", json)

    with_kernel(work)


@runbook.command("archive")
def archive(runbook_id: _Id, version: _Version, by: Who = "", json: JsonFlag = False) -> None:
    """Let a version be started no more. Sessions that follow it go on."""

    async def work(kernel: Kernel) -> None:
        kept = await _of(kernel).archive(runbook_id, version, by)
        emit(version_json(kept), f"{kept.name} is archived.", json)

    with_kernel(work)


def _values(given: list[str] | None) -> dict[str, str]:
    """Inputs by name. Ends the command for one that is none, or is given twice."""
    values: dict[str, str] = {}
    for text in given or ():
        name, sign, value = text.partition("=")
        if not sign or not name:
            fail(InvalidInputError(f"The input {text!r} is not of the form name=value."))
        if name in values:
            fail(InvalidInputError(f"The input {name!r} is given twice."))
        values[name] = value
    return values


@runbook.command("plan")
def plan(
    runbook_id: _Id,
    target: _Targets = None,
    given: _Inputs = None,
    version: _VersionOption = None,
    ticket: _Ticket = None,
    by: Who = "",
    json: JsonFlag = False,
) -> None:
    """A dry run: exactly what would run where, and what the policy says. Records nothing. A draft can be planned
    by its version. Exit code 1 when the policy forbids a step."""
    order = StartOrder(
        runbook_id=runbook_id,
        version=version,
        inputs=_values(given),
        targets=target or (),
        ticket=ticket,
        started_by=by,
    )

    async def work(kernel: Kernel) -> SessionPlan:
        return await _of(kernel).plan(order)

    planned = with_kernel(work)
    emit(plan_json(planned), plan_card(planned), json)
    raise typer.Exit(Exit.FINDINGS if planned.blocked else Exit.OK)


@runbook.command("start")
def start(
    runbook_id: _Id,
    target: _Targets = None,
    given: _Inputs = None,
    version: _VersionOption = None,
    ticket: _Ticket = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Targets under way at once.")] = 1,
    error_budget: Annotated[int, typer.Option(min=0, help="Targets that may fail before no further one begins.")] = 0,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key never starts a second session.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Watch it to its end, as `session watch` does.")] = False,
    by: Who = "",
    json: JsonFlag = False,
) -> None:
    """Record a session; a worker takes it from there."""
    order = StartOrder(
        runbook_id=runbook_id,
        version=version,
        inputs=_values(given),
        targets=target or (),
        ticket=ticket,
        batch_size=batch_size,
        error_budget=error_budget,
        started_by=by,
        idempotency_key=idempotency_key,
    )

    async def work(kernel: Kernel) -> tuple[Session, bool]:
        return await _of(kernel).start(order)

    session, replayed = with_kernel(work)
    err.print(f"Session {session.id} is {'already ' * replayed}recorded.")
    if watch:
        raise typer.Exit(watch_session(session.id, _WATCH_EVERY_S, json))
    emit(session_json(session), f"{session.id}  {session.state}", json)
