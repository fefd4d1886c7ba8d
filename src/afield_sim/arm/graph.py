"""Resource Graph: one query over the resources of all subscriptions."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from .calls import Call
from .errors import ArmError
from .gate import Gate, Reply, Request
from .kusto import QueryError
from .model import JsonObject
from .query import run_query

__all__ = ["GraphRoutes", "run_query"]

_PATH = "/providers/Microsoft.ResourceGraph/resources"
_QUOTA = 15
_QUOTA_SECONDS = 5


class GraphOptions(BaseModel):
    """How much of the answer is wanted."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    top: int = Field(default=100, ge=1, le=1000, alias="$top")
    skip: int = Field(default=0, ge=0, alias="$skip")
    skip_token: str = Field(default="", alias="$skipToken")
    result_format: Literal["objectArray"] = Field(default="objectArray", alias="resultFormat")


class GraphQuery(BaseModel):
    """The body of a query; no subscriptions: all there are."""

    model_config = ConfigDict(extra="ignore")

    query: str
    subscriptions: list[str] | None = None
    options: GraphOptions = GraphOptions()


class GraphRoutes:
    """POST Microsoft.ResourceGraph/resources; `rows` are the resources as they are now."""

    def __init__(self, gate: Gate, rows: Callable[[], Sequence[JsonObject]]) -> None:
        self._gate = gate
        self._rows = rows

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the route."""
        self._gate.add(router, "POST", _PATH, Call.GRAPH, self.query)

    async def query(self, request: Request) -> Reply:
        """One page of what a query leads to."""
        asked = await request.read(GraphQuery)
        rows = _of_subscriptions(self._rows(), asked.subscriptions)
        try:
            found = run_query(asked.query, rows)
        except QueryError as error:
            raise bad_query(str(error)) from None
        headers = {
            "x-ms-user-quota-remaining": str(_QUOTA - 1),
            "x-ms-user-quota-resets-after": f"00:00:{_QUOTA_SECONDS:02}",
        }
        return Reply(show_page(found, asked.options), headers=headers)


def show_page(found: Sequence[JsonObject], options: GraphOptions) -> JsonObject:
    """One page of an answer, with a `$skipToken` when there is more; ArmError 400 for a token nobody gave out."""
    start = _read_token(options.skip_token) if options.skip_token else options.skip
    data = found[start : start + options.top]
    page: JsonObject = {
        "totalRecords": len(found),
        "count": len(data),
        "data": list(data),
        "facets": [],
        "resultTruncated": "false",
    }
    if start + len(data) < len(found):
        page["$skipToken"] = b64encode(f"skip {start + len(data)}".encode()).decode()
    return page


def bad_query(problem: str) -> ArmError:
    """400: the query is not understood."""
    details: list[JsonObject] = [
        {"code": "InvalidQuery", "message": "Query is invalid. Please fix the error before retrying."},
        {"code": "ParserFailure", "message": f"ParserFailure: {problem}."},
    ]
    return ArmError(400, "BadRequest", f"The query is invalid: {problem}.", details=details)


def _of_subscriptions(rows: Sequence[JsonObject], wanted: list[str] | None) -> list[JsonObject]:
    if wanted is None:
        return list(rows)
    ids = {one.lower() for one in wanted}
    return [row for row in rows if str(row.get("subscriptionId", "")).lower() in ids]


def _read_token(token: str) -> int:
    try:
        word, number = b64decode(token, validate=True).decode().split()
        if word == "skip":
            return int(number)
    except ValueError:
        pass
    raise ArmError(400, "BadRequest", "The value of $skipToken is invalid.")
