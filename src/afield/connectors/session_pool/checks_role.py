"""Whether an identity holds the role that using a pool takes, by what Azure Resource Manager lists. Pure.

Source: Microsoft Learn, built-in roles and operations of Microsoft.App. Running code is a data action, which neither
Contributor nor Owner includes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from afield.connectors.azure.permissions import allows
from afield.connectors.azure.view import as_object, as_objects, as_text, parse_time
from afield.connectors.base import CheckResult
from afield.connectors.session_pool.checks import Fix, failed, ok, skipped, warned
from afield.connectors.session_pool.evidence import Answer, Reply
from afield.connectors.session_pool.remedies import Situation
from afield.connectors.session_pool.remedies_commands import ROLE, assign_role
from afield.model.jsontypes import JsonObject, JsonValue

AUTHORIZATION_VERSION = "2022-04-01"
EXECUTE = "Microsoft.App/sessionPools/interpreters/execute/action"
_ROLE_ID = "0fb8eba5-a2bb-4abe-b1c1-49dfad359bb0"
_FRESH = timedelta(minutes=10)
_ASKED = f"whether the token's identity holds the role {ROLE} at the pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What is known of it. `given` is None when nothing could be read."""

    given: bool | None = None
    since: datetime | None = None
    told: str = ""


def read_role(assignments: Reply | None, permissions: Reply) -> Role:
    """From the assignments, which tell since when, and what the caller may do in all, which knows roles of your own."""
    found = _assigned(assignments)
    allowed = _allowed(permissions)
    if found is None and allowed is None:
        return Role(told=f"neither can be read ({_status(assignments)}, {_status(permissions)})")
    since = max((time for item in found or () if (time := _created(item)) is not None), default=None)
    if found:
        return Role(given=True, since=since, told=f"assigned at {_scope(found[0])}{_at(since)}")
    if allowed:
        return Role(given=True, told=f"a role allows {EXECUTE}")
    return Role(given=False, told=f"no assignment of it, no other role with {EXECUTE}")


def judge_role(role: Role, now: Situation, at: datetime) -> CheckResult:
    """A missing role is a failure; one given moments ago may not count yet."""
    if role.given is None:
        return skipped(f"Not told: {role.told}. The pool's own answer, below, decides.")
    if not role.given:
        fix = Fix(
            f"The identity lacks the role {ROLE} at the pool {now.pool}; Contributor and Owner do not include it.",
            f"Run `{assign_role(now.place, now.claims)}`. It takes some minutes, and then a new token, to count.",
        )
        return failed(_ASKED, role.told, fix)
    issued = now.claims.issued_at if now.claims is not None else None
    if role.since is not None and (at - role.since < _FRESH or (issued is not None and issued < role.since)):
        fix = Fix(
            f"The role {ROLE} was given only {int((at - role.since).total_seconds())} s ago, and may not count yet.",
            "Wait up to ten minutes, then ask again with a new token.",
        )
        return warned(_ASKED, role.told, fix)
    return ok(_ASKED, role.told)


def _assigned(reply: Reply | None) -> list[JsonObject] | None:
    """The assignments of the role that hold at the pool; None when they cannot be read."""
    items = _items(reply)
    return None if items is None else [item for item in items if _of_the_role(_properties(item))]


def _allowed(reply: Reply) -> bool | None:
    """Whether what the caller may do includes running code; None when that cannot be read."""
    items = _items(reply)
    if items is None:
        return None
    return any(allows(_texts(item.get("dataActions")), _texts(item.get("notDataActions")), EXECUTE) for item in items)


def _items(reply: Reply | None) -> list[JsonObject] | None:
    if not isinstance(reply, Answer) or not reply.ok:
        return None
    return as_objects(reply.json_object().get("value"))


def _of_the_role(assignment: JsonObject) -> bool:
    return as_text(assignment.get("roleDefinitionId")).lower().rpartition("/")[2] == _ROLE_ID


def _properties(item: JsonObject) -> JsonObject:
    return as_object(item.get("properties"))


def _created(item: JsonObject) -> datetime | None:
    return parse_time(_properties(item).get("createdOn"))


def _scope(item: JsonObject) -> str:
    return as_text(_properties(item).get("scope")).rpartition("/")[2] or "the pool"


def _at(since: datetime | None) -> str:
    return f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since is not None else ""


def _status(reply: Reply | None) -> str:
    if reply is None:
        return "not asked"
    return str(reply.status) if isinstance(reply, Answer) else reply.silence.value


def _texts(value: JsonValue) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
