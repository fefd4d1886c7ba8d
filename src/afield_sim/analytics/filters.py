"""Filters of listings: `labels.KEY=VALUE`, `agents:NAME`, `createTime > "TIME"`, put together by AND. Pure.

The service reads the whole language of AIP-160; this is the part that is documented for it.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from .errors import invalid

Json = dict[str, Any]
Test = Callable[[Json], bool]

_TERM = re.compile(r"""\s*([\w.-]+)\s*(>=|<=|=|:|>|<)\s*(?:"([^"]*)"|(\S+))\s*""")
_COMPARED: dict[str, Callable[[datetime, datetime], bool]] = {
    ">": datetime.__gt__,
    "<": datetime.__lt__,
    ">=": datetime.__ge__,
    "<=": datetime.__le__,
    "=": datetime.__eq__,
}


def read_filter(text: str) -> Test:
    """Whether a resource fits. Raises GoogleError."""
    tests = [_term(part) for part in re.split(r"\s+AND\s+", text.strip())] if text.strip() else []
    return lambda resource: all(test(resource) for test in tests)


def _term(text: str) -> Test:
    found = _TERM.fullmatch(text)
    if found is None:
        raise invalid(f"Invalid filter: {text!r}.")
    field, operator, value = found[1], found[2], found[3] if found[3] is not None else found[4]
    if field.startswith("labels.") and operator in {"=", ":"}:
        key = field.removeprefix("labels.")
        return lambda resource: resource.get("labels", {}).get(key) == value
    if field == "agents" and operator in {"=", ":"}:
        return lambda resource: value in resource.get("agents", [])
    if field in {"createTime", "create_time"} and operator in _COMPARED:
        compared, moment = _COMPARED[operator], _moment(value)
        return lambda resource: compared(_moment(resource["createTime"]), moment)
    raise invalid(f"Invalid filter field or operator: {text!r}.")


def _moment(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise invalid(f"Invalid time in filter: {text!r}.")
    return read
