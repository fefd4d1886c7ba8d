"""Which targets run code."""

from __future__ import annotations

from uuid import UUID

from afield.coderunner.pool import CodePool
from afield.connectors.registry import connector_class
from afield.errors import InvalidInputError
from afield.kernel import Kernel


async def pools_of(kernel: Kernel, tenant_id: UUID) -> list[str]:
    """The names of a tenant's targets that run code, sorted."""
    targets = await kernel.ledger.targets(tenant_id)
    return sorted(target.name for target in targets if runs_code(target.connector))


def runs_code(connector: str) -> bool:
    """Whether there are pools of sessions behind this connector."""
    try:
        return issubclass(connector_class(connector), CodePool)
    except InvalidInputError:  # recorded with a connector that is not installed here
        return False
