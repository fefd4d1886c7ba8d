"""`afield provision`: from a company's website to data one can talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from typer.core import TyperGroup

from afield.cli.provision_show import assets_table, history_table, job_json, status_card, status_json
from afield.cli.provision_watch import watch_job
from afield.cli.run import Exit, JsonFlag, emit, err, fail, with_kernel
from afield.cli.who import Who
from afield.errors import InvalidInputError
from afield.kernel import Kernel
from afield.model.target import DEFAULT_TENANT
from afield.provisioning.brief import Brief, Complexity, DemoMode
from afield.provisioning.jobs import Jobs, NewOrder
from afield.provisioning.settings import ProvisionSettings
from afield.provisioning.store import Change, Job, JobStatus
from afield.security.people import Principal, Role

T = TypeVar("T")

SHORTEST_CONTEXT = 50


class _UrlFirst(TyperGroup):
    """`provision URL` is `provision start URL`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["start", *args]
        return super().parse_args(ctx, args)


provision = typer.Typer(
    cls=_UrlFirst,
    help="From a company's website to data one can talk to: `afield provision URL`.",
    no_args_is_help=True,
)

_Id = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.")]


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        fail(InvalidInputError(f"{text[:100]!r} is no job's id.", hint="`afield provision history` shows them."))


@asynccontextmanager
async def opened(kernel: Kernel) -> AsyncIterator[Jobs]:
    """The jobs, for as long as one is inside."""
    jobs = Jobs(kernel, DEFAULT_TENANT, ProvisionSettings())
    try:
        yield jobs
    finally:
        await jobs.close()


def as_person(by: str) -> Principal:
    """The command line trusts its user."""
    return Principal(by, Role.ADMIN)


def _with_jobs(work: Callable[[Jobs], Awaitable[T]]) -> T:
    async def run(kernel: Kernel) -> T:
        async with opened(kernel) as jobs:
            return await work(jobs)

    return with_kernel(run)


@provision.command("start")
def start(
    url: Annotated[str, typer.Argument(metavar="URL", help="The company's website.")],
    context: Annotated[str, typer.Option(help="Advanced mode: what the demo is about, in 50 characters or more.")] = "",
    industry: Annotated[str, typer.Option(help="Advanced mode: the industry.")] = "",
    persona: Annotated[str, typer.Option(help="Advanced mode: who asks.")] = "",
    complexity: Annotated[Complexity, typer.Option(help="Advanced mode: how large the model becomes.")] = (
        Complexity.MEDIUM
    ),
    focus: Annotated[list[str] | None, typer.Option(help="Advanced mode: what matters; can be repeated.")] = None,
    integration: Annotated[
        list[str] | None, typer.Option(help="Advanced mode: where data comes from; can be repeated.")
    ] = None,
    avoid: Annotated[list[str] | None, typer.Option(help="Advanced mode: what is left out; can be repeated.")] = None,
    rows: Annotated[int | None, typer.Option(min=5_000, max=20_000_000, help="Rows of facts.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Only start it; do not follow it.")] = False,
    by: Who = "",
    json: JsonFlag = False,
) -> None:
    """Make a demo for a website, and follow it to its end. `provision URL` is the same. Exit code 0 if it completed, 1
    if not."""
    given = {"industry_hint": industry, "target_persona": persona, "demo_complexity": complexity}
    lists = {"special_focus": focus or (), "integrations": integration or (), "avoid_topics": avoid or ()}
    advanced = bool(context or industry or persona or focus or integration or avoid)
    if advanced and len(context.strip()) < SHORTEST_CONTEXT:
        hint = f"--context takes {SHORTEST_CONTEXT} characters or more."
        fail(InvalidInputError("The advanced mode needs to know what the demo is about.", hint=hint))
    mode = DemoMode.CRAZY_FROG if advanced else DemoMode.DEFAULT
    order = {"customer_url": url, "mode": mode, "use_case_context": context, **given, **lists}
    who = as_person(by)

    async def work(jobs: Jobs) -> Job:
        return await jobs.start(NewOrder(brief=Brief.model_validate(order), rows=rows), who)

    job = _with_jobs(work)
    if detach:
        emit(job_json(job), f"Job {job.id} is recorded; `afield provision watch {job.id}` follows it.", json)
        return
    raise typer.Exit(_watched(job.id, who, json))


@provision.command("watch")
def watch(job_id: _Id, by: Who = "", json: JsonFlag = False) -> None:
    """A live picture of a job until it is over; with --json, a line of JSON for everything that is said. Exit code 0 if
    it completed, 1 if not."""
    raise typer.Exit(_watched(_job_id(job_id), as_person(by), json))


def _watched(job_id: UUID, who: Principal, json: bool) -> Exit:
    try:
        status = _with_jobs(lambda jobs: watch_job(jobs, job_id, who, as_json=json))
    except KeyboardInterrupt:
        err.print(f"Job {job_id} goes on without being watched.")
        return Exit.FINDINGS
    return Exit.OK if status is JobStatus.COMPLETED else Exit.FINDINGS


@provision.command("status")
def show_status(job_id: _Id, by: Who = "", json: JsonFlag = False) -> None:
    """How far a job and its agents are, and what was said last. Exit code 1 if it failed."""

    async def work(jobs: Jobs) -> JobStatus:
        view, recent = await jobs.status(_job_id(job_id), as_person(by))
        emit(status_json(view, recent), status_card(view, recent), json)
        return view.job.status

    if _with_jobs(work) is JobStatus.FAILED:
        raise typer.Exit(Exit.FINDINGS)


@provision.command("history")
def history(
    status: Annotated[JobStatus | None, typer.Option(help="Only these.")] = None,
    search: Annotated[str, typer.Option(help="In the company's name, the address, tags and the note.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 20,
    offset: Annotated[int, typer.Option(min=0, help="How many to pass over.")] = 0,
    by: Who = "",
    json: JsonFlag = False,
) -> None:
    """Jobs: pinned ones first, then the latest."""

    async def work(jobs: Jobs) -> None:
        found, _ = await jobs.history(as_person(by), status=status, search=search, limit=limit, offset=offset)
        emit([job_json(job) for job in found], history_table(found), json)

    _with_jobs(work)


@provision.command("assets")
def assets(job_id: _Id, by: Who = "", json: JsonFlag = False) -> None:
    """The files a job has made."""

    async def work(jobs: Jobs) -> None:
        job, found = await jobs.assets(_job_id(job_id), as_person(by))
        shown = {"dataset_name": job.dataset_name, "capi_agent_id": job.agent_id, "assets": found}
        emit(shown, assets_table(job, found), json)

    _with_jobs(work)


def _verb(name: str, says: str, does: Callable[[Jobs, UUID, Principal], Awaitable[Job]], told: str) -> None:
    @provision.command(name, help=says)
    def command(job_id: _Id, by: Who = "", json: JsonFlag = False) -> None:
        job = _with_jobs(lambda jobs: does(jobs, _job_id(job_id), as_person(by)))
        emit(job_json(job), told.format(job=job.id), json)


_verb("cancel", "Stop a job's work.", Jobs.cancel, "Job {job} is being stopped.")
_verb("retry", "Go on from the agent that failed.", Jobs.retry, "Job {job} goes on.")
_verb("clone", "A new job with the same order.", Jobs.clone, "Job {job} is recorded.")
_verb("remove", "Have a job's dataset, data agent and files deleted.", Jobs.remove, "The data of job {job} goes.")


@provision.command("set")
def change(
    job_id: _Id,
    pin: Annotated[bool | None, typer.Option("--pin/--unpin", help="Listed first, and kept.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Its tags from now on; can be repeated.")] = None,
    note: Annotated[str | None, typer.Option(help="Its note.")] = None,
    by: Who = "",
    json: JsonFlag = False,
) -> None:
    """Pin a job, tag it, or write a note."""
    wanted = Change(pinned=pin, tags=None if tag is None else tuple(tag), note=note)
    job = _with_jobs(lambda jobs: jobs.change(_job_id(job_id), as_person(by), wanted))
    emit(job_json(job), f"Job {job.id} is changed.", json)
