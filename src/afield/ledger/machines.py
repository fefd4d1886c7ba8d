"""The machines seen in cloud accounts, in Postgres."""

# ruff: noqa: S608 - columns and conditions are text of this package, values are parameters

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from afield.connectors.accounts import Machine
from afield.errors import NotFoundError
from afield.ledger.database import Database, Row
from afield.ledger.encode import encode_cleaned
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject

_MACHINE = "remote_id, name, connector, address, kind, location, grouping, power, tags"
_COLUMNS = f"id, tenant_id, account_id, first_seen_at, seen_at, gone_at, {_MACHINE}"

# What is new or gone is told by the time of the discovery, so that a repetition after a lost answer says the same.
_REPLACE = f"""
    with account as (
        update afield.account
        set discovered_at = greatest(discovered_at, %(at)s),
            complete_at = case when %(complete)s then greatest(complete_at, %(at)s) else complete_at end
        where id = %(account)s returning id, tenant_id
    ), given as (
        select * from jsonb_to_recordset(%(machines)s::jsonb -> 'items') as item (
            id uuid, remote_id text, remote_key text, name text, name_key text, connector text, address jsonb,
            kind text, location text, grouping text, power text, tags jsonb)
    ), kept as (
        insert into afield.machine as m (
            id, tenant_id, account_id, remote_key, name_key, first_seen_at, seen_at, {_MACHINE})
        select given.id, account.tenant_id, account.id, remote_key, name_key, %(at)s, %(at)s, {_MACHINE}
        from given, account
        on conflict (account_id, remote_key) do update
        set ({_MACHINE}, name_key, seen_at, gone_at) = (
            excluded.remote_id, excluded.name, excluded.connector, excluded.address, excluded.kind, excluded.location,
            excluded.grouping, excluded.power, excluded.tags, excluded.name_key, excluded.seen_at, null)
        where m.seen_at <= excluded.seen_at
        returning first_seen_at
    ), gone as (
        update afield.machine set gone_at = %(at)s
        where account_id = %(account)s and %(complete)s and seen_at < %(at)s
          and (gone_at is null or gone_at = %(at)s) and remote_key not in (select remote_key from given)
        returning id
    )
    select (select count(*) from account), (select count(*) from kept where first_seen_at = %(at)s),
           (select count(*) from gone)
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMachine:
    """A machine as it was last seen."""

    id: UUID
    tenant_id: UUID
    account_id: UUID
    machine: Machine
    first_seen_at: datetime
    seen_at: datetime
    gone_at: datetime | None = None  # the complete discovery that did not show it any more


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFilter:
    """Which machines. Texts are compared without regard to case."""

    account_id: UUID | None = None
    text: str = ""  # part of the name
    group: str = ""
    kind: str = ""
    gone: bool = False  # also those that are gone


@dataclass(frozen=True, slots=True)
class Replaced:
    """What a discovery changed."""

    new: int
    gone: int


class Machines:
    """The table of machines."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def replace_all(
        self, account_id: UUID, machines: Iterable[Machine], *, complete: bool, at: datetime
    ) -> Replaced:
        """Keep what a discovery that began at `at` showed. Machines that a complete one did not show are marked as
        gone; an incomplete one says nothing about those. Raises NotFoundError when there is no such account."""
        items = {_key(machine.remote_id): _item(machine) for machine in machines}
        given = encode_cleaned({"items": list(items.values())})
        params = {"account": account_id, "machines": given, "complete": complete, "at": at}
        try:
            row = await self._db.one(_REPLACE, params)
        except psycopg.errors.ForeignKeyViolation as error:  # deleted at this very moment
            raise NotFoundError(f"There is no account {account_id}.") from error
        if row is None or row[0] == 0:
            raise NotFoundError(f"There is no account {account_id}.")
        return Replaced(new=row[1], gone=row[2])

    async def named(self, tenant_id: UUID, name: str) -> list[SeenMachine]:
        """All machines of exactly this name, case aside, that are not gone."""
        return await self._where("name_key = %s and gone_at is null", tenant_id, name)

    async def with_remote_id(self, tenant_id: UUID, remote_id: str) -> list[SeenMachine]:
        """The machine with this id, case aside, also if it is gone; one for each account that shows it."""
        return await self._where("remote_key = %s", tenant_id, remote_id)

    async def _where(self, condition: str, tenant_id: UUID, text: str) -> list[SeenMachine]:
        sql = f"""select {_COLUMNS} from afield.machine where tenant_id = %s and {condition}
            order by gone_at is not null, name_key collate "C", remote_key collate "C", account_id"""
        return [_seen(row) for row in await self._db.all(sql, (tenant_id, _key(text)))]

    async def list(self, tenant_id: UUID, wanted: MachineFilter | None = None) -> list[SeenMachine]:
        """By name, then by remote id."""
        wanted = wanted or MachineFilter()
        sql = f"""select {_COLUMNS} from afield.machine
            where tenant_id = %(tenant)s and account_id = coalesce(%(account)s, account_id)
              and position(%(text)s in name_key) > 0 and (%(gone)s or gone_at is null)
              and lower(grouping) = coalesce(nullif(%(group)s, ''), lower(grouping))
              and lower(kind) = coalesce(nullif(%(kind)s, ''), lower(kind))
            order by name_key collate "C", remote_key collate "C" """
        params = {
            "tenant": tenant_id,
            "account": wanted.account_id,
            "text": _key(wanted.text),
            "gone": wanted.gone,
            "group": wanted.group.lower(),
            "kind": wanted.kind.lower(),
        }
        return [_seen(row) for row in await self._db.all(sql, params)]


def _key(text: str) -> str:
    """A name or an id as it is compared."""
    return text.casefold()


def _item(machine: Machine) -> JsonObject:
    return {
        "id": str(uuid7()),
        "remote_id": machine.remote_id,
        "remote_key": _key(machine.remote_id),
        "name": machine.name,
        "name_key": _key(machine.name),
        "connector": machine.connector,
        "address": machine.address,
        "kind": machine.kind,
        "location": machine.location,
        "grouping": machine.group,
        "power": machine.power,
        "tags": dict(machine.tags),
    }


def _seen(row: Row) -> SeenMachine:
    identity, tenant_id, account_id, first_seen_at, seen_at, gone_at, *shown = row
    remote_id, name, connector, address, kind, location, group, power, tags = shown
    machine = Machine(
        remote_id=remote_id,
        name=name,
        connector=connector,
        address=address,
        kind=kind,
        location=location,
        group=group,
        power=power,
        tags=tags,
    )
    return SeenMachine(
        id=identity,
        tenant_id=tenant_id,
        account_id=account_id,
        machine=machine,
        first_seen_at=first_seen_at,
        seen_at=seen_at,
        gone_at=gone_at,
    )
