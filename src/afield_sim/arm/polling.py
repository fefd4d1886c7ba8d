"""Operations: how they are announced, polled and answered."""

from aiohttp import web

from .calls import Call
from .cloud import Cloud
from .errors import ArmError, entity_not_found
from .gate import Gate, Reply, Request
from .model import Operation, Progress
from .operations import operation_url
from .settings import ArmSettings
from .wire import show_operation

OPERATION = "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/operations/{operation}"


def announce(request: Request, settings: ArmSettings, operation: Operation, *, location: bool = True) -> dict[str, str]:
    """The headers that say where to poll; `location`: where the result will be, too."""

    def url(*, monitor: bool) -> str:
        return operation_url(request.base_url, operation, request.api_version, monitor=monitor, long=settings.long_urls)

    headers = {"Azure-AsyncOperation": url(monitor=False)}
    if location:
        headers["Location"] = url(monitor=True)
    return {**headers, **_retry_after(settings)}


def accepted(request: Request, settings: ArmSettings, operation: Operation) -> Reply:
    """202 without a body."""
    return Reply(status=202, headers=announce(request, settings, operation))


class OperationRoutes:
    """Polls of operations and of their results, on one path: `monitor=true` asks for the result."""

    def __init__(self, cloud: Cloud, gate: Gate) -> None:
        self._cloud = cloud
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        status = self._gate.guard(Call.OPERATION, self.status)
        result = self._gate.guard(Call.RESULT, self.result)

        async def either(http: web.Request) -> web.StreamResponse:
            return await (result if http.query.get("monitor", "").lower() == "true" else status)(http)

        self._gate.add_plain(router, "GET", OPERATION, either)

    async def status(self, request: Request) -> Reply:
        """How far it is."""
        return Reply(show_operation(self._find(request)), headers=_retry_after(self._cloud.settings))

    async def result(self, request: Request) -> Reply:
        """What came of it: 202 while it runs, then 200 or the error."""
        operation = self._find(request)
        if operation.status is Progress.IN_PROGRESS:
            headers = announce(request, self._cloud.settings, operation)
            return Reply(status=202, headers={**headers, "Location": str(request.http.url)})
        if operation.error is not None:
            raise ArmError(409, str(operation.error["code"]), str(operation.error["message"]))
        return Reply(operation.output)

    def _find(self, request: Request) -> Operation:
        operation = self._cloud.operations.get(request.part("operation"))
        if operation is None:
            raise entity_not_found()
        return operation


def _retry_after(settings: ArmSettings) -> dict[str, str]:
    return {} if settings.retry_after_s is None else {"Retry-After": str(settings.retry_after_s)}
