"""Versions of runbooks in the database: drafts change, approved ones never, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest

from afield.errors import ConflictError, InvalidInputError, NotFoundError
from afield.ledger.database import Database
from afield.runbooks.model import Environment
from afield.runbooks.store import RunbookStore
from afield.runbooks.versions import Status, check_start

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
TEXT = """# A runbook

```yaml
runbook_id: {name}
version: {version}
title: {title}
service: {service}
env: {env}
risk: {risk}
owner: ops
steps:
  - name: ask
    type: approval
    question: Shall we?
  - name: look
    command: "{command}"
    expected_output: ok
    timeout: 5s
```
"""


def a_text(name: str = "disk-full", version: str = "1.0.0", **changes: str) -> str:
    plain = {"title": "Disk full", "service": "web", "env": "prod", "risk": "low", "command": "echo ok"}
    return TEXT.format(name=name, version=version, **{**plain, **changes})


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[RunbookStore]:
    database = Database(database_url, size=4, patience=5)
    yield RunbookStore(database)
    await database.close()


async def test_a_draft_may_change_and_keeps_its_revision(store: RunbookStore, tenant_id: UUID) -> None:
    first = await store.save(tenant_id, a_text(), by="ada", now=NOW)
    changed = await store.save(tenant_id, a_text(title="Full disk", risk="medium"), by="bob", now=NOW)
    second = await store.save(tenant_id, a_text(version="1.1.0"), by="ada", now=NOW)
    assert (first.status, first.revision, first.created_by, first.created_at) == (Status.DRAFT, 1, "ada", NOW)
    assert (changed.revision, changed.title, changed.risk, changed.created_by) == (1, "Full disk", "medium", "bob")
    assert second.revision == 2
    assert await store.versions(tenant_id, "disk-full") == [second, changed]
    assert await store.get(tenant_id, "disk-full", "1.0.0") == changed
    assert changed.runbook().title == "Full disk"


async def test_the_life_of_a_version(store: RunbookStore, tenant_id: UUID) -> None:
    draft = await store.save(tenant_id, a_text(), by="ada", now=NOW)
    with pytest.raises(ConflictError, match="draft"):
        check_start(draft)
    with pytest.raises(NotFoundError, match="no approved version"):
        await store.current(tenant_id, "disk-full")
    approved = await store.approve(tenant_id, "disk-full", "1.0.0", by="ada", now=NOW)
    check_start(approved)
    assert (approved.status, approved.approved_by, approved.approved_at) == (Status.APPROVED, "ada", NOW)
    assert await store.approve(tenant_id, "disk-full", "1.0.0", by="bob", now=NOW) == approved
    assert await store.save(tenant_id, a_text(), by="bob", now=NOW) == approved
    with pytest.raises(ConflictError, match="new version"):
        await store.save(tenant_id, a_text(title="Other"), by="ada", now=NOW)
    await store.save(tenant_id, a_text(version="2.0.0"), by="ada", now=NOW)
    assert await store.current(tenant_id, "disk-full") == approved
    archived = await store.archive(tenant_id, "disk-full", "1.0.0", by="bob", now=NOW)
    assert (archived.status, archived.archived_by, archived.approved_by) == (Status.ARCHIVED, "bob", "ada")
    assert await store.archive(tenant_id, "disk-full", "1.0.0", by="eve", now=NOW) == archived
    with pytest.raises(ConflictError, match="archived"):
        check_start(archived)
    with pytest.raises(ConflictError, match="archived"):
        await store.approve(tenant_id, "disk-full", "1.0.0", by="bob", now=NOW)


async def test_what_may_not_be_approved(store: RunbookStore, tenant_id: UUID) -> None:
    await store.save(tenant_id, a_text(risk="high"), by="ada", now=NOW)
    with pytest.raises(ConflictError, match="somebody else"):
        await store.approve(tenant_id, "disk-full", "1.0.0", by="ada", now=NOW)
    with pytest.raises(ConflictError, match="changed since"):
        await store.approve(tenant_id, "disk-full", "1.0.0", by="bob", now=NOW, digest="another")
    assert (await store.approve(tenant_id, "disk-full", "1.0.0", by="bob", now=NOW)).approved_by == "bob"
    await store.save(tenant_id, a_text(version="2.0.0", command="echo {{ nothing }}"), by="ada", now=NOW)
    with pytest.raises(InvalidInputError, match=r"line 16: .*nothing"):
        await store.approve(tenant_id, "disk-full", "2.0.0", by="bob", now=NOW)


async def test_a_text_that_is_no_runbook_is_not_kept(store: RunbookStore, tenant_id: UUID) -> None:
    with pytest.raises(InvalidInputError, match="line 9: risk"):
        await store.save(tenant_id, a_text(risk="some"), by="ada", now=NOW)
    assert await store.page(tenant_id) == ([], None)


async def test_saving_at_the_same_time_gives_each_its_revision(store: RunbookStore, tenant_id: UUID) -> None:
    texts = [a_text(version=f"1.{number}.0") for number in range(8)] * 2
    saved = await asyncio.gather(*(store.save(tenant_id, text, by="ada", now=NOW) for text in texts))
    assert {version.revision for version in saved} == set(range(1, 9))


async def test_pages_and_filters(store: RunbookStore, tenant_id: UUID) -> None:
    for name in ("a", "b", "c"):
        for version in ("1.0.0", "2.0.0"):
            await store.save(tenant_id, a_text(name, version, service=f"s-{name}"), by="ada", now=NOW)
    await store.approve(tenant_id, "b", "1.0.0", by="ada", now=NOW)
    names, cursor = [], None
    while True:
        items, cursor = await store.page(tenant_id, limit=4, cursor=cursor)
        names += [item.name for item in items]
        if cursor is None:
            break
    assert names == ["a 2.0.0", "a 1.0.0", "b 2.0.0", "b 1.0.0", "c 2.0.0", "c 1.0.0"]
    approved, _ = await store.page(tenant_id, status=Status.APPROVED)
    served, _ = await store.page(tenant_id, service="s-c", env=Environment.PROD)
    assert ([v.name for v in approved], [v.name for v in served]) == (["b 1.0.0"], ["c 2.0.0", "c 1.0.0"])
    assert await store.page(tenant_id, env=Environment.DEV) == ([], None)
    for bad in ("?", "YXxi", "YXww"):
        with pytest.raises(InvalidInputError, match="cursor"):
            await store.page(tenant_id, cursor=bad)


async def test_tenants_see_their_own(store: RunbookStore, tenant_id: UUID) -> None:
    await store.save(tenant_id, a_text(), by="ada", now=NOW)
    with pytest.raises(NotFoundError, match=r"disk-full 1\.0\.0"):
        await store.get(uuid4(), "disk-full", "1.0.0")
    with pytest.raises(NotFoundError):
        await store.versions(uuid4(), "disk-full")


@pytest.mark.parametrize(
    "statement",
    [
        "delete from afield.runbook",
        "update afield.runbook set text = 'x'",
        "update afield.runbook set status = 'draft'",
    ],
)
async def test_the_database_keeps_what_is_approved(
    store: RunbookStore, tenant_id: UUID, database_url: str, statement: str
) -> None:
    await store.save(tenant_id, a_text(), by="ada", now=NOW)
    await store.approve(tenant_id, "disk-full", "1.0.0", by="ada", now=NOW)
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.RaiseException):
        connection.execute(statement.encode())
