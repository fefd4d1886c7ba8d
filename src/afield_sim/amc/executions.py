"""Executions: create, get, list, cancel, results."""

import orjson
from aiohttp import web

from .accepting import choose_workflow
from .bodies import ChangeExecution, CreateExecution, Workflow, read_body
from .cloud import Account
from .downloads import METADATA
from .engine import fixed_result, typed
from .errors import gateway, no_such_execution, not_compiled, refused
from .gate import GATEWAY_TEXT, Gate, Reply, Request, send_cut
from .listing import Page, read_list_query, take_page
from .model import CANCELLED, FINAL, SUCCEEDED, Execution
from .wire import EXECUTIONS, show_execution

_PATH = "/amc/reporting/{instance_id}/workflowExecutions"


class ExecutionRoutes:
    """The five operations on executions, and DELETE where it is switched on."""

    def __init__(self, account: Account, gate: Gate) -> None:
        self._account = account
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        guard, one = self._gate.guard, _PATH + "/{execution_id}"
        router.add_post(_PATH, guard("create", self.create))
        router.add_get(_PATH, guard("list", self.list))
        router.add_get(one, guard("get", self.get))
        router.add_put(one, guard("cancel", self.change))
        router.add_delete(one, guard("delete", self.delete))
        router.add_get(one + "/downloadUrls", guard("download_urls", self.download_urls))

    async def create(self, request: Request) -> Reply:
        """Create an execution."""
        body = read_body(CreateExecution, await request.http.read())

        def saved(workflow_id: str) -> Workflow | None:
            found = self._account.workflows.get(request.instance_id, workflow_id)
            return None if found is None else Workflow.model_validate(found)

        workflow = choose_workflow(body, saved)
        if body.workflow is not None:
            await check_sql(self._account, request, workflow, workflow.workflow_id or "transient")
        execution = self._account.acceptor.accept(request.instance_id, body, workflow)
        return Reply(show_execution(execution), EXECUTIONS)

    async def get(self, request: Request) -> Reply:
        """Show one execution."""
        execution = self._visible(request)
        include = request.http.query.get("includeWorkflow", "").lower() == "true"
        return Reply(show_execution(execution, include_workflow=include), EXECUTIONS)

    async def list(self, request: Request) -> Reply:
        """Show a page of executions."""
        query = read_list_query(request.http.query)
        fails, cut = request.faults.list_fails, request.faults.list_cut
        if fails and query.page == fails.page and self._account.faults.strikes(fails):
            raise gateway(fails.status, GATEWAY_TEXT[fails.status])
        page = take_page(
            self._account.executions.places(request.instance_id, query.workflow_id),
            query,
            lambda execution_id: self._listed(execution_id, request, include_cancelled=query.include_cancelled),
        )
        reply = Reply(self._show_page(page, include_workflow=query.include_workflow), EXECUTIONS)
        if cut and query.page == cut.page and self._account.faults.strikes(cut):
            reply.cut = True
        return reply

    async def change(self, request: Request) -> Reply:
        """Cancel an execution."""
        execution = self._visible(request)
        body = read_body(ChangeExecution, await request.http.read())
        if body.status != CANCELLED:
            raise refused(400, "The status of a workflow execution can only be changed to CANCELLED.")
        self._cancel(execution, request)
        return Reply({}, EXECUTIONS)

    async def delete(self, request: Request) -> Reply:
        """Cancel an execution, where the instance has this operation."""
        if not request.settings.allow_delete:
            raise gateway(405, "Method Not Allowed")
        self._cancel(self._visible(request), request)
        return Reply({}, EXECUTIONS)

    async def download_urls(self, request: Request) -> Reply:
        """Fresh URLs of the result's files."""
        execution = self._visible(request)
        now, fault = self._account.clock.now(), request.faults.download_not_ready
        text = f"Execution with ID {execution.id} is unavailable for download."
        if execution.status != SUCCEEDED or not execution.files:
            raise refused(fault.status if fault else 404, text)
        if fault and now < (execution.finished_at or now) + fault.seconds:
            raise refused(fault.status, text)
        expiry = request.faults.url_expiry
        seconds = expiry.seconds if expiry else request.settings.url_seconds

        def sign(part: str) -> str:
            return self._account.signer.sign(request.base_url, execution.id, part, now, seconds)

        urls = [sign(str(part)) for part in range(execution.files)]
        return Reply({"downloadUrls": urls, "metadataDownloadUrls": [sign(METADATA)]}, EXECUTIONS)

    def _cancel(self, execution: Execution, request: Request) -> None:
        if execution.status in FINAL:
            raise refused(400, f"Workflow execution with ID {execution.id} is already {execution.status}.")
        if not self._account.faults.strikes(request.faults.cancel_ignored):
            self._account.lifecycle.cancel(execution, self._account.clock.now())

    def _visible(self, request: Request) -> Execution:
        execution_id = request.part("execution_id")
        execution = self._account.executions.get(execution_id)
        hidden = request.faults.visibility.get_seconds if request.faults.visibility else 0
        if execution is None or execution.instance_id != request.instance_id or self._hidden(execution, hidden):
            fault = request.faults.unknown_id
            raise no_such_execution(fault.status if fault else request.settings.unknown_id_status, execution_id)
        return execution

    def _listed(self, execution_id: str, request: Request, *, include_cancelled: bool) -> bool:
        execution = self._account.executions.get(execution_id)
        if execution is None or (execution.status == CANCELLED and not include_cancelled):
            return False
        visibility = request.faults.visibility
        return visibility is None or not self._hidden(execution, visibility.list_seconds)

    def _hidden(self, execution: Execution, seconds: float) -> bool:
        return self._account.clock.now() < execution.arrived_at + seconds

    def _show_page(self, page: Page, *, include_workflow: bool) -> dict[str, object]:
        found = (self._account.executions.get(execution_id) for execution_id in page.ids)
        shown: dict[str, object] = {
            "executions": [show_execution(one, include_workflow=include_workflow) for one in found if one]
        }
        if page.next_token is not None:
            shown["nextToken"] = page.next_token
        return shown


class DownloadRoutes:
    """The files behind the signed URLs; they need no token."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the route."""
        router.add_get("/downloads/{execution_id}/{part}", self.download)

    async def download(self, http: web.Request) -> web.StreamResponse:
        """One file; 403 when the URL is wrong or expired."""
        execution_id, part = http.match_info["execution_id"], http.match_info["part"]
        execution = self._account.executions.get(execution_id)
        now = self._account.clock.now()
        if execution is None or not self._account.signer.allows(execution_id, part, http.query, now):
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>", content_type="text/xml")
        self._account.counters.calls[execution.instance_id]["download"] += 1
        content = self._content(execution, part)
        if content is None:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>", content_type="text/xml")
        cut = self._account.faults.of(execution.instance_id).download_cut
        if cut and self._account.faults.strikes(cut):
            return await send_cut(http, content, {"Content-Type": "text/csv"}, cut.after_bytes)
        media_type = "application/json" if part == METADATA else "text/csv"
        return web.Response(body=content, content_type=media_type)

    def _content(self, execution: Execution, part: str) -> bytes | None:
        if part == METADATA:
            return orjson.dumps(show_execution(execution))
        kept = self._account.results.get(execution.id, int(part))
        if kept is None and execution.instant and part == "0":
            return fixed_result(execution, empty=execution.planned_empty).files[0]
        return kept


async def check_sql(account: Account, request: Request, workflow: Workflow, name: str) -> None:
    """A 400 for SQL that does not compile, where the instance checks that early."""
    settings = request.settings
    if settings.instant or not settings.run_sql or settings.compile_check != "create":
        return
    why = await account.runner.compile(workflow.sql_query, typed(workflow.parameters))
    if why is not None:
        raise not_compiled(name, why)
