"""Pages of a listing, and what faults do to them. Pure but for the count of faults."""

from collections.abc import Sequence

from yarl import URL

from .errors import ArmError, internal
from .faults import FaultBox, ListingCut
from .gate import Reply, Request
from .model import JsonObject


def show_page(request: Request, faults: FaultBox, entries: Sequence[JsonObject], size: int) -> Reply:
    """One page, with a nextLink when there are more; ArmError 500 when a fault says so."""
    start = _start(request)
    entries = cut(request, faults, entries, start // size + 1)
    page: JsonObject = {"value": list(entries[start : start + size])}
    if start + size < len(entries):
        page["nextLink"] = _next_link(request, start + size)
    return Reply(page)


def cut(request: Request, faults: FaultBox, entries: Sequence[JsonObject], page: int) -> Sequence[JsonObject]:
    """The entries a cut listing has left; ArmError 500 when it is this page that fails."""
    fault: ListingCut | None = request.faults.listing_cut
    if fault is None or request.call not in fault.listings or fault.page not in {None, page}:
        return entries
    if not faults.strikes(fault, request.call):
        return entries
    if fault.page is not None:
        raise internal()
    return entries[: max(0, len(entries) - fault.drop)]


def _start(request: Request) -> int:
    token = request.http.query.get("$skiptoken", "0")
    if not token.isdigit():
        raise ArmError(400, "InvalidParameter", "The value of parameter $skiptoken is invalid.")
    return int(token)


def _next_link(request: Request, start: int) -> str:
    here = URL(str(request.http.url))
    return str(here.update_query({"$skiptoken": str(start)}))
