"""What a credential may do on a VM, by what Azure's permissions call lists. Pure.

Source: Microsoft Learn, role definitions: an action is allowed by a role if `actions` has it and `notActions` does not;
what one role leaves out another may give. A `*` stands for any text, also across `/`; case does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from afield.model.jsontypes import JsonObject, JsonValue

PERMISSIONS_VERSION = "2022-04-01"

_VM = "Microsoft.Compute/virtualMachines"
READ_VM = f"{_VM}/read"
READ_COMMANDS = f"{_VM}/runCommands/read"
WRITE_COMMANDS = f"{_VM}/runCommands/write"
DELETE_COMMANDS = f"{_VM}/runCommands/delete"
RUN_ACTION = f"{_VM}/runCommand/action"
"""The action run command (v1)."""

MANAGED_NEEDS = (READ_VM, READ_COMMANDS, WRITE_COMMANDS, DELETE_COMMANDS)
"""What running managed run commands takes. The role Virtual Machine Contributor has all of it."""
ACTION_NEEDS = (READ_VM, RUN_ACTION)

_MISSING_ACTION = re.compile(r"perform action '([^']+)'")


@dataclass(frozen=True, slots=True)
class Grant:
    """What one role gives."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()


def parse_grant(item: JsonObject) -> Grant:
    """One item of `…/providers/Microsoft.Authorization/permissions`."""
    return Grant(_texts(item.get("actions")), _texts(item.get("notActions")))


def allows(actions: Iterable[str], not_actions: Iterable[str], wanted: str) -> bool:
    """Whether one role with these actions allows `wanted`."""
    return _any_covers(actions, wanted) and not _any_covers(not_actions, wanted)


def missing(grants: Iterable[Grant], wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the wanted actions that no role allows."""
    given = tuple(grants)
    return tuple(
        action for action in wanted if not any(allows(grant.actions, grant.not_actions, action) for grant in given)
    )


def denied_action(message: str) -> str | None:
    """The action that the text of a 403 names."""
    found = _MISSING_ACTION.search(message)
    return found.group(1) if found else None


def _any_covers(patterns: Iterable[str], action: str) -> bool:
    return any(_covers(pattern, action) for pattern in patterns)


def _covers(pattern: str, action: str) -> bool:
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), action, re.IGNORECASE | re.DOTALL) is not None


def _texts(value: JsonValue) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
