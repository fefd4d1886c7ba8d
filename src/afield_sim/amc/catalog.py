"""Saved queries, schedules, data sources, instances and accounts: what is stored and shown."""

import uuid
from typing import Any

import orjson
from aiohttp import web

from .bodies import Workflow, read_body
from .cloud import Account
from .errors import no_such_workflow, refused
from .executions import check_sql
from .gate import Gate, Reply, Request
from .listing import slice_page
from .tables import TABLES
from .times import show_time
from .wire import DATA_SOURCES, INSTANCES, JSON, OCTETS, SCHEDULES, WORKFLOWS

_REPORTING = "/amc/reporting/{instance_id}"
_CREATED = 1_735_689_600.0


class WorkflowRoutes:
    """Saved queries."""

    def __init__(self, account: Account, gate: Gate) -> None:
        self._account = account
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        guard, many = self._gate.guard, _REPORTING + "/workflows"
        router.add_post(many, guard("workflows", self.create))
        router.add_get(many, guard("workflows", self.list))
        one = many + "/{workflow_id}"
        router.add_get(one, guard("workflows", self.get))
        router.add_put(one, guard("workflows", self.replace))
        router.add_delete(one, guard("workflows", self.delete))

    async def create(self, request: Request) -> Reply:
        """Save a query under a new name."""
        data = await request.http.read()
        workflow = read_body(Workflow, data)
        if workflow.workflow_id is None:
            raise refused(400, "Invalid request: workflowId: Field required")
        if self._account.workflows.get(request.instance_id, workflow.workflow_id) is not None:
            raise refused(400, f"Workflow with ID {workflow.workflow_id} already exists.")
        await self._save(request, workflow.workflow_id, workflow, data)
        return Reply(b"{}", OCTETS)

    async def list(self, request: Request) -> Reply:
        """A page of saved queries."""
        workflows = self._account.workflows.all(request.instance_id)
        return Reply(slice_page(workflows, request.http.query, "workflows"), WORKFLOWS)

    async def get(self, request: Request) -> Reply:
        """One saved query, flat."""
        found = self._account.workflows.get(request.instance_id, request.part("workflow_id"))
        if found is None:
            raise no_such_workflow(request.part("workflow_id"))
        return Reply(found, WORKFLOWS)

    async def replace(self, request: Request) -> Reply:
        """Replace a saved query as a whole."""
        name, data = request.part("workflow_id"), await request.http.read()
        if self._account.workflows.get(request.instance_id, name) is None:
            raise no_such_workflow(name)
        await self._save(request, name, read_body(Workflow, data), data)
        return Reply({}, WORKFLOWS)

    async def delete(self, request: Request) -> Reply:
        """Delete a saved query; its executions stay."""
        if not self._account.workflows.delete(request.instance_id, request.part("workflow_id")):
            raise no_such_workflow(request.part("workflow_id"))
        return Reply({}, WORKFLOWS)

    async def _save(self, request: Request, name: str, workflow: Workflow, data: bytes) -> None:
        await check_sql(self._account, request, workflow, name)
        self._account.workflows.put(request.instance_id, name, {**orjson.loads(data), "workflowId": name})


class ScheduleRoutes:
    """Schedules: stored and shown, never run."""

    def __init__(self, account: Account, gate: Gate) -> None:
        self._account = account
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        guard, many = self._gate.guard, _REPORTING + "/schedules"
        router.add_post(many, guard("schedules", self.create))
        router.add_get(many, guard("schedules", self.list))
        one = many + "/{schedule_id}"
        router.add_get(one, guard("schedules", self.get))
        router.add_put(one, guard("schedules", self.replace))
        router.add_delete(one, guard("schedules", self.delete))

    async def create(self, request: Request) -> Reply:
        """Store a schedule; a missing `scheduleId` is made up."""
        schedule = await self._read(request)
        name = str(schedule.get("scheduleId") or uuid.uuid4())
        if self._account.schedules.get(request.instance_id, name) is not None:
            raise refused(400, f"Schedule with ID {name} already exists.")
        self._account.schedules.put(request.instance_id, name, {**schedule, "scheduleId": name})
        return Reply({"scheduleId": name}, SCHEDULES)

    async def list(self, request: Request) -> Reply:
        """A page of schedules."""
        schedules = self._account.schedules.all(request.instance_id)
        return Reply(slice_page(schedules, request.http.query, "schedules"), SCHEDULES)

    async def get(self, request: Request) -> Reply:
        """One schedule."""
        return Reply(self._find(request), SCHEDULES)

    async def replace(self, request: Request) -> Reply:
        """Replace a schedule as a whole."""
        self._find(request)
        schedule, name = await self._read(request), request.part("schedule_id")
        self._account.schedules.put(request.instance_id, name, {**schedule, "scheduleId": name})
        return Reply({}, SCHEDULES)

    async def delete(self, request: Request) -> Reply:
        """Delete a schedule."""
        self._find(request)
        self._account.schedules.delete(request.instance_id, request.part("schedule_id"))
        return Reply({}, SCHEDULES)

    def _find(self, request: Request) -> dict[str, Any]:
        found = self._account.schedules.get(request.instance_id, request.part("schedule_id"))
        if found is None:
            raise refused(404, f"Schedule with ID {request.part('schedule_id')} does not exist.")
        return found

    async def _read(self, request: Request) -> dict[str, Any]:
        try:
            schedule = orjson.loads(await request.http.read())
        except ValueError:
            raise refused(400, "Invalid request: the body is not JSON") from None
        if not isinstance(schedule, dict) or not schedule.get("workflowId"):
            raise refused(400, "Invalid request: workflowId: Field required")
        if schedule.get("aggregationPeriod", "Daily") not in {"Daily", "Weekly"}:
            raise refused(400, "Invalid request: aggregationPeriod must be Daily or Weekly")
        return schedule


class AccountRoutes:
    """Accounts, instances and data sources: read only."""

    def __init__(self, account: Account, gate: Gate) -> None:
        self._account = account
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        guard = self._gate.guard
        router.add_get("/amc/accounts", guard("accounts", self.accounts, for_account=True))
        router.add_get("/amc/instances", guard("instances", self.instances))
        router.add_get("/amc/instances/{instance_id}", guard("instances", self.instance))
        router.add_get(_REPORTING + "/dataSources", guard("data_sources", self.data_sources))
        router.add_get(_REPORTING + "/dataSources/{name}", guard("data_sources", self.data_source))

    async def accounts(self, request: Request) -> Reply:
        """The one account."""
        entry = {
            "accountId": self._account.entity_id,
            "accountName": self._account.name,
            "marketplaceId": self._account.marketplace_id,
        }
        return Reply(slice_page([entry], request.http.query, "amcAccounts"), JSON)

    async def instances(self, request: Request) -> Reply:
        """A page of instances."""
        shown = [self._instance(instance_id) for instance_id in self._account.instance_ids]
        return Reply(slice_page(shown, request.http.query, "instances"), INSTANCES)

    async def instance(self, request: Request) -> Reply:
        """One instance, wrapped."""
        return Reply({"instance": self._instance(request.instance_id)}, INSTANCES)

    async def data_sources(self, request: Request) -> Reply:
        """A page of tables."""
        shown = [_data_source(name) for name in TABLES]
        return Reply(slice_page(shown, request.http.query, "dataSources"), DATA_SOURCES)

    async def data_source(self, request: Request) -> Reply:
        """One table."""
        if request.part("name") not in TABLES:
            raise refused(404, f"Data source with ID {request.part('name')} does not exist.")
        return Reply(_data_source(request.part("name")), DATA_SOURCES)

    def _instance(self, instance_id: str) -> dict[str, object]:
        number = self._account.instance_ids.index(instance_id) + 1
        return {
            "instanceId": instance_id,
            "instanceName": f"simulated-{number}",
            "instanceType": "STANDARD",
            "customerCanonicalName": self._account.name,
            "creationStatus": "COMPLETED",
            "creationDatetime": show_time(_CREATED),
            "s3BucketName": "",
            "s3BucketRegion": "us-east-1",
            "awsAccountId": "000000000000",
            "entities": [self._account.entity_id],
            "advertiserTypes": ["DISPLAY", "SPONSORED_ADS"],
            "optionalDatasets": [],
        }


def _data_source(name: str) -> dict[str, object]:
    return {"dataSourceId": name, "name": name, "description": f"Simulated {name.replace('_', ' ')}"}
