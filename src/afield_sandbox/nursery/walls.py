"""Which walls there are."""

from __future__ import annotations

from afield_sandbox.nursery.enclosure import Enclosure
from afield_sandbox.nursery.fence import Fence
from afield_sandbox.nursery.namespaces import Namespaces
from afield_sandbox.wire import NurserySettings, Walls


def planned(settings: NurserySettings) -> Enclosure:
    """The walls that are asked for, not built yet."""
    return Fence(settings) if settings.walls is Walls.LANDLOCK else Namespaces(settings)
