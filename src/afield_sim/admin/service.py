"""The admin service: its routes."""

import uuid
from collections.abc import Mapping
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel

from ..amc.cloud import Account
from ..amc.faults import LOGIN
from ..amc.model import LIVE, Execution, Window
from ..amc.settings import AccountSettings, InstanceSettings
from ..amc.times import read_local_time, show_time
from ..striking import EVERYWHERE
from .answering import BadAdminCallError, Handler, answering, read_body
from .bodies import Advance, Forced, Planted, Settings, SettingsPatch, WaitQuery

AnyModel = TypeVar("AnyModel", bound=BaseModel)


class AdminService:
    """Looks into the account and changes how it behaves; needs no credentials."""

    name = "admin"

    def __init__(self, account: Account) -> None:
        self._account = account

    def describe(self, base_url: str) -> Mapping[str, object]:
        """Where it is; all paths start with `/admin`."""
        return {"base_url": base_url}

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/admin/faults", self.faults),
            ("PUT", "/admin/faults", self.put_faults),
            ("PATCH", "/admin/faults", self.add_faults),
            ("DELETE", "/admin/faults", self.delete_faults),
            ("GET", "/admin/settings", self.settings),
            ("PUT", "/admin/settings", self.put_settings),
            ("GET", "/admin/executions", self.executions),
            ("POST", "/admin/executions", self.plant),
            ("POST", "/admin/executions/{id}", self.force),
            ("PATCH", "/admin/executions/{id}", self.force),
            ("GET", "/admin/counters", self.counters),
            ("GET", "/admin/wait", self.wait),
            ("POST", "/admin/clock", self.advance),
            ("POST", "/admin/tokens/revoke", self.revoke_tokens),
            ("POST", "/admin/refresh-token/revoke", self.revoke_refresh),
            ("POST", "/admin/refresh-token/restore", self.restore_refresh),
            ("POST", "/admin/codes", self.issue_code),
            ("POST", "/admin/reset", self.reset),
        ]
        for method, path, handler in routes:
            app.router.add_route(method, path, answering(handler))

    async def faults(self, _: web.Request) -> object:
        """All faults that are set, with the counts left."""
        return self._account.faults.as_json()

    async def put_faults(self, http: web.Request) -> object:
        """Replace the faults of the instances named."""
        self._account.faults.put(await self._plan(http))
        return self._account.faults.as_json()

    async def add_faults(self, http: web.Request) -> object:
        """Add faults to those the instances named have."""
        self._account.faults.add(await self._plan(http))
        return self._account.faults.as_json()

    async def delete_faults(self, http: web.Request) -> object:
        """Take back all faults, those of an instance, or one of them."""
        instance_id = http.query.get("instance_id")
        if instance_id is None:
            self._account.faults.clear()
        else:
            self._known(instance_id, LOGIN, EVERYWHERE)
            self._account.faults.remove(instance_id, http.query.get("fault"))
        return self._account.faults.as_json()

    async def settings(self, _: web.Request) -> object:
        """All settings."""
        account = self._account
        instances = {instance_id: account.settings_of(instance_id) for instance_id in account.instance_ids}
        return Settings(account=account.account, instances=instances).model_dump()

    async def put_settings(self, http: web.Request) -> object:
        """Change the settings that are named."""
        patch = SettingsPatch.model_validate(await read_body(http))
        account = self._account
        changed = {
            instance_id: InstanceSettings.model_validate({**account.settings_of(instance_id).model_dump(), **change})
            for key, change in patch.instances.items()
            for instance_id in (account.instance_ids if key == EVERYWHERE else [self._known(key)])
        }
        whole = AccountSettings.model_validate({**account.account.model_dump(), **patch.account})
        for instance_id, settings in changed.items():
            account.change_settings(instance_id, settings)
        account.change_account(whole)
        return await self.settings(http)

    async def executions(self, http: web.Request) -> object:
        """What really ran, in the order of arrival."""
        self._account.settle()
        instance_id = http.query.get("instance_id")
        found = [one for one in self._account.executions if instance_id in (None, one.instance_id)]
        return {"executions": [_show(one) for one in sorted(found, key=lambda one: one.number)]}

    async def plant(self, http: web.Request) -> object:
        """Add executions nobody created over the API."""
        planted = Planted.model_validate(await read_body(http))
        self._known(planted.instance_id)
        try:
            made = [self._make(planted) for _ in range(planted.count)]
        except ValueError as error:
            raise BadAdminCallError(422, str(error)) from None
        return {"executions": [_show(one) for one in made]}

    async def force(self, http: web.Request) -> object:
        """Give an execution a status from outside."""
        forced = Forced.model_validate(await read_body(http))
        self._account.settle()
        execution = self._account.executions.get(http.match_info["id"])
        if execution is None:
            raise BadAdminCallError(404, "no such execution")
        now = self._account.clock.now()
        self._account.lifecycle.force(execution, forced.status, forced.status_reason, now)
        return _show(execution)

    async def counters(self, _: web.Request) -> object:
        """All counts."""
        return self._account.counters.as_json()

    async def wait(self, http: web.Request) -> object:
        """Answer as soon as what is asked for holds, or when the time is over."""
        query = WaitQuery.model_validate(dict(http.query))
        met = await self._account.pulse.until(lambda: self._count(query) >= query.at_least, query.timeout)
        return {"met": met, "count": self._count(query)}

    async def advance(self, http: web.Request) -> object:
        """Move the clock forward."""
        self._account.advance(Advance.model_validate(await read_body(http)).seconds)
        return {"now": self._account.clock.now()}

    async def revoke_tokens(self, _: web.Request) -> object:
        """Make all access tokens expired."""
        return {"revoked": self._account.tokens.revoke_access()}

    async def revoke_refresh(self, _: web.Request) -> object:
        """Revoke the refresh token."""
        self._account.tokens.revoke_refresh()
        return {}

    async def restore_refresh(self, _: web.Request) -> object:
        """Make the refresh token good again."""
        self._account.tokens.revoke_refresh(revoked=False)
        return {}

    async def issue_code(self, _: web.Request) -> object:
        """A new authorization code."""
        return {"code": self._account.tokens.issue_code()}

    async def reset(self, _: web.Request) -> object:
        """Forget everything but the credentials and the clock."""
        self._account.reset()
        return {}

    async def _plan(self, http: web.Request) -> dict[str, object]:
        plan = await read_body(http)
        if not isinstance(plan, dict):
            raise BadAdminCallError(422, "expected an object: {instance id: {fault: parameters}}")
        for instance_id in plan:
            self._known(instance_id, LOGIN, EVERYWHERE)
        return plan

    def _known(self, instance_id: str, *others: str) -> str:
        if instance_id not in self._account.instance_ids and instance_id not in others:
            known = [*self._account.instance_ids, *others]
            raise BadAdminCallError(422, f"unknown instance {instance_id!r}; there are {', '.join(known)}")
        return instance_id

    def _count(self, query: WaitQuery) -> int:
        if query.what == "calls":
            return self._account.counters.total(query.call or "create", query.instance_id)
        return sum(1 for one in self._account.executions if _wanted(one, query))

    def _make(self, planted: Planted) -> Execution:
        account, now = self._account, self._account.clock.now()
        zone, start, end = planted.time_window_time_zone, planted.time_window_start, planted.time_window_end
        created = now - planted.age_seconds if planted.created_at is None else planted.created_at
        execution = Execution(
            id=str(uuid.uuid4()),
            instance_id=planted.instance_id,
            workflow_id=planted.workflow_id,
            number=account.executions.last_number + 1,
            source="planted",
            arrived_at=created,
            updated_at=created,
            status=planted.status,
            status_reason=planted.status_reason,
            window=Window(
                kind="EXPLICIT" if start else "MOST_RECENT_DAY",
                zone=zone,
                start=read_local_time(start, zone) if start else None,
                end=read_local_time(end, zone) if end else None,
                start_original=start,
                end_original=end,
            ),
            sql=planted.sql,
            parameter_values=planted.parameter_values,
            timeout_seconds=planted.timeout_seconds,
            held=True,
        )
        account.plant(execution)
        return execution


def _wanted(one: Execution, query: WaitQuery) -> bool:
    return (
        (query.what != "created" or one.source == "api")
        and (query.what != "finished" or one.status not in LIVE)
        and (query.what != "status" or one.status == query.status)
        and query.instance_id in (None, one.instance_id)
        and query.workflow_id in (None, one.workflow_id)
    )


def _show(one: Execution) -> dict[str, object]:
    return {
        "id": one.id,
        "number": one.number,
        "source": one.source,
        "instance_id": one.instance_id,
        "workflow_id": one.workflow_id,
        "status": one.status,
        "shown_status": one.shown_status,
        "status_reason": one.status_reason,
        "create_time": show_time(one.created_at),
        "arrived_at": one.arrived_at,
        "sql": one.sql,
        "sql_hash": one.sql_hash,
        "parameter_values": one.parameter_values,
        "time_window_start": one.window.start_original,
        "time_window_end": one.window.end_original,
        "timeout_seconds": one.timeout_seconds,
    }
