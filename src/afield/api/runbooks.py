"""Runbooks: kept in versions, checked, approved, archived."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field, ValidationError

from afield.api.access import asks
from afield.api.agent import RunbooksDep
from afield.api.agent_plan import RunbookStatus
from afield.api.bodies import Given, Json, Shown, Time
from afield.api.runtime import KernelDep, PrincipalDep, TenantDep
from afield.errors import InvalidInputError
from afield.runbooks.format import MOST_BYTES, runbook_schema
from afield.runbooks.lint import lint
from afield.runbooks.model import Environment, Risk
from afield.runbooks.problems import Level, Problem, has_errors
from afield.runbooks.versions import RunbookVersion, Status
from afield.security.people import Action

router = APIRouter(prefix="/runbooks", tags=["runbooks"])

RunbookId = Annotated[str, Path(max_length=100, description="The runbook's id.", examples=["disk-full"])]
Version = Annotated[str, Path(max_length=64, description="As its author wrote it.", examples=["1.2.0"])]


class RunbookTextBody(Given):
    """A runbook, where the caller prefers JSON."""

    text: Annotated[str, Field(min_length=1, max_length=MOST_BYTES)]


_TEXT_REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The runbook: markdown with one YAML block, or the same as `text` in JSON.",
        "content": {
            "text/markdown": {"schema": {"type": "string"}},
            "application/json": {"schema": RunbookTextBody.model_json_schema()},
        },
    }
}


async def _given_text(request: Request) -> str:
    """The text of a runbook, however it was sent. Raises InvalidInputError."""
    body = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        try:
            return RunbookTextBody.model_validate_json(body).text
        except ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:5])
            raise InvalidInputError(f"The request is not valid: {told}.", hint='Send {"text": "..."}.') from error
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError("The runbook is not UTF-8 text.", hint="Save it as UTF-8.") from error
    if not text.strip() or "\0" in text:
        raise InvalidInputError("The body holds no runbook.", hint="Send markdown with one YAML block.")
    return text


GivenText = Annotated[str, Depends(_given_text)]


class ProblemBody(Shown):
    """One thing that is wrong. Line and column count from 1."""

    line: int
    column: int
    severity: Level
    code: str
    message: str
    hint: str
    path: str


class LintBody(Shown):
    """What is wrong with a runbook, in the order of its lines. `ok`: it could be approved."""

    ok: bool
    problems: list[ProblemBody]

    @classmethod
    def of(cls, problems: list[Problem]) -> Self:
        return cls(ok=not has_errors(problems), problems=[ProblemBody.model_validate(one) for one in problems])


class RunbookBody(Shown):
    """One version of a runbook, without its text."""

    runbook_id: str
    version: str
    revision: Annotated[int, Field(description="Counts this runbook's versions as they were first saved, from 1.")]
    status: RunbookStatus
    digest: Annotated[str, Field(description="Names the text exactly.")]
    title: str
    service: str
    env: Environment
    risk: Risk
    created_by: str
    created_at: Time
    approved_by: str | None
    approved_at: Time | None
    archived_by: str | None
    archived_at: Time | None

    @classmethod
    def of(cls, kept: RunbookVersion) -> Self:
        return cls.model_validate(kept)


class WholeRunbookBody(RunbookBody):
    """One version with its text."""

    text: str


class SavedRunbookBody(Shown):
    """A version that was kept, and what is wrong with it."""

    runbook: RunbookBody
    lint: LintBody


class RunbooksBody(Shown):
    """Versions by runbook, the newest first."""

    items: list[RunbookBody]
    next_cursor: str | None = None


class RunbookQuery(Given):
    """Which versions. All filters given have to hold."""

    service: Annotated[str | None, Field(max_length=200)] = None
    env: Environment | None = None
    status: RunbookStatus | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before.")] = None


class ApproveBody(Given):
    """What was read."""

    digest: Annotated[
        str | None, Field(pattern=r"^[0-9a-f]{64}$", description="Of the text that was read; another one is refused.")
    ] = None


@router.get("")
async def list_runbooks(
    query: Annotated[RunbookQuery, Query()], runbooks: RunbooksDep, tenant_id: TenantDep
) -> RunbooksBody:
    """One page of versions, by runbook, the newest first."""
    status = Status(query.status) if query.status else None
    found, more = await runbooks.store.page(
        tenant_id, service=query.service, env=query.env, status=status, limit=query.limit, cursor=query.cursor
    )
    return RunbooksBody(items=[RunbookBody.of(one) for one in found], next_cursor=more)


@router.post("", status_code=201, openapi_extra=_TEXT_REQUEST)
async def save_runbook(
    text: GivenText, runbooks: RunbooksDep, principal: PrincipalDep, response: Response
) -> SavedRunbookBody:
    """Keep a version as a draft; its id and version are in the text. Saving the same again changes nothing; 409 when
    the version is approved already and its text differs."""
    kept, problems = await runbooks.save(text, principal.name)
    response.headers["location"] = f"/api/v1/runbooks/{kept.runbook_id}/{kept.version}"
    return SavedRunbookBody(runbook=RunbookBody.of(kept), lint=LintBody.of(problems))


@router.post("/lint", openapi_extra=_TEXT_REQUEST)
@asks(Action.READ)
async def lint_runbook(text: GivenText) -> LintBody:
    """Everything that is wrong with a runbook, with line numbers. Nothing is recorded."""
    return LintBody.of(await asyncio.to_thread(lint, text))


@router.get("/schema")
async def show_runbook_schema() -> Json:
    """The JSON schema of a runbook's YAML block."""
    return dict(runbook_schema())


@router.get("/{runbook_id}")
async def show_runbook_versions(runbook_id: RunbookId, runbooks: RunbooksDep, tenant_id: TenantDep) -> RunbooksBody:
    """All versions of one runbook, the newest first."""
    found = await runbooks.store.versions(tenant_id, runbook_id)
    return RunbooksBody(items=[RunbookBody.of(one) for one in found])


@router.get("/{runbook_id}/{version}")
async def show_runbook(runbook_id: RunbookId, version: Version, runbooks: RunbooksDep) -> WholeRunbookBody:
    """One version, with its text."""
    return WholeRunbookBody.of(await runbooks.get(runbook_id, version))


@router.post("/{runbook_id}/{version}/approve")
@asks(Action.APPROVE)
async def approve_runbook(
    *,
    runbook_id: RunbookId,
    version: Version,
    kernel: KernelDep,
    runbooks: RunbooksDep,
    tenant_id: TenantDep,
    principal: PrincipalDep,
    body: ApproveBody | None = None,
) -> RunbookBody:
    """Let a version be started. 422 when lint finds errors; 409 when it was changed since it was read, or whoever wrote
    it approves a high risk."""
    by, now, digest = principal.name, kernel.clock.now(), (body or ApproveBody()).digest
    approved = await runbooks.store.approve(tenant_id, runbook_id, version, by=by, now=now, digest=digest)
    return RunbookBody.of(approved)


@router.post("/{runbook_id}/{version}/archive")
@asks(Action.APPROVE)
async def archive_runbook(
    runbook_id: RunbookId, version: Version, runbooks: RunbooksDep, principal: PrincipalDep
) -> RunbookBody:
    """Let a version be started no more. Sessions that follow it go on."""
    return RunbookBody.of(await runbooks.archive(runbook_id, version, principal.name))
