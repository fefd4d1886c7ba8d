"""The listing of executions: what is asked for, and one page of it.

A page token tells how many places of the ordered list were passed, as the real service's paging is
not known to be stable: with the newest first, executions that arrive between two pages shift them.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .errors import refused
from .store import Place
from .times import read_local_time, read_zone

PAGE = 100
_BEFORE_ALL_NUMBERS = -1


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a listing asks for; times in whole seconds since 1970, both ends inclusive."""

    workflow_id: str | None
    created_from: int | None
    created_to: int | None
    ascending: bool
    include_cancelled: bool
    include_workflow: bool
    limit: int
    passed: int

    @property
    def page(self) -> int:
        """Which page this is, from 1, when all pages have the same limit."""
        return self.passed // self.limit + 1


@dataclass(frozen=True, slots=True)
class Page:
    """Ids in the order asked for, and where the next page starts, if there is one."""

    ids: list[str]
    next_token: str | None


def read_list_query(query: Mapping[str, str]) -> ListQuery:
    """The query parameters of a listing; a 400 for those that cannot be read."""
    workflow_id = query.get("workflowId") or None
    earliest = query.get("minCreationTime") or None
    if workflow_id is None and earliest is None:
        raise refused(400, "Either workflowId or minCreationTime must be provided.")
    zone = query.get("timeZone") or "UTC"
    try:
        read_zone(zone)
        return ListQuery(
            workflow_id=workflow_id,
            created_from=_second(earliest, zone),
            created_to=_second(query.get("maxCreationTime") or None, zone),
            ascending=read_flag(query, "sortAscending"),
            include_cancelled=read_flag(query, "includeCancelled"),
            include_workflow=read_flag(query, "includeWorkflow"),
            limit=read_limit(query),
            passed=read_token(query),
        )
    except ValueError as error:
        raise refused(400, f"Invalid request: {error}") from None


def take_page(places: Sequence[Place], query: ListQuery, listed: Callable[[str], bool]) -> Page:
    """The page of `places` (oldest first) that `query` asks for, of those that are `listed`."""
    low, high = _range(places, query)
    ids: list[str] = []
    for position in range(query.passed, high - low):
        place = places[low + position] if query.ascending else places[high - 1 - position]
        if not listed(place[2]):
            continue
        if len(ids) == query.limit:
            return Page(ids, write_token(position))
        ids.append(place[2])
    return Page(ids, None)


def read_flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean query parameter, false when missing; ValueError for other words."""
    text = (query.get(name) or "false").lower()
    if text not in {"true", "false"}:
        raise ValueError(f"{name} must be true or false")
    return text == "true"


def read_limit(query: Mapping[str, str]) -> int:
    """The page size, 1 to 100; ValueError for anything else."""
    text = query.get("limit") or str(PAGE)
    if not text.isdigit() or not 1 <= int(text) <= PAGE:
        raise ValueError(f"limit must be between 1 and {PAGE}")
    return int(text)


def read_token(query: Mapping[str, str]) -> int:
    """How many places were passed before this page; ValueError for a token not of ours."""
    text = query.get("nextToken") or ""
    if not text:
        return 0
    try:
        return int(urlsafe_b64decode(text.encode()).decode().removeprefix("passed:"))
    except ValueError:
        raise ValueError("nextToken is not valid") from None


def write_token(passed: int) -> str:
    """The token of the page that starts after `passed` places."""
    return urlsafe_b64encode(f"passed:{passed}".encode()).decode()


def slice_page(items: Sequence[object], query: Mapping[str, str], key: str) -> dict[str, object]:
    """A page of a short list, as `{key: […], "nextToken"}`; a 400 for parameters that cannot be read."""
    try:
        limit, passed = read_limit(query), read_token(query)
    except ValueError as error:
        raise refused(400, f"Invalid request: {error}") from None
    page: dict[str, object] = {key: list(items[passed : passed + limit])}
    if passed + limit < len(items):
        page["nextToken"] = write_token(passed + limit)
    return page


def _second(text: str | None, zone: str) -> int | None:
    return None if text is None else int(read_local_time(text, zone))


def _range(places: Sequence[Place], query: ListQuery) -> tuple[int, int]:
    low, high = 0, len(places)
    if query.created_from is not None:
        low = bisect_left(places, (query.created_from, _BEFORE_ALL_NUMBERS, ""))
    if query.created_to is not None:
        high = bisect_left(places, (query.created_to + 1, _BEFORE_ALL_NUMBERS, ""))
    return low, max(low, high)
