"""A target that cannot be opened says so where people look, and costs the others nothing."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, cast

import pytest
from kernel_world import World, working

from afield.errors import InvalidInputError
from afield.ledger.base import EventFilter, NewTarget
from afield.model.execution import EventKind, NewExecution
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject
from afield.model.target import DEFAULT_TENANT, Target


async def recorded(world: World, connector: str, address: JsonObject, settings: JsonObject) -> Target:
    """A target as another version of the program, or other packages, would have accepted it; with work."""
    new = NewTarget(
        id=uuid7(), tenant_id=DEFAULT_TENANT, connector=connector, name="odd", address=address, settings=settings
    )  # fmt: skip
    target = await world.kernel.ledger.add_target(new)
    row = NewExecution(id=uuid7(), tenant_id=DEFAULT_TENANT, target_id=target.id, spec={})
    await world.kernel.ledger.create(row)
    return target


@pytest.mark.parametrize(
    ("connector", "address", "settings", "said"),
    [
        ("gone", {}, {}, "There is no connector 'gone'"),
        ("memory", {"remote": "x"}, {"max_live": "many"}, "setting 'max_live' must be a number"),
        ("memory", {"remote": "nowhere"}, {}, "KeyError: 'nowhere'"),
        ("memory", {}, {}, "remote"),
    ],
)
async def test_it_shows_at_the_target(
    world: World, connector: str, address: JsonObject, settings: JsonObject, said: str
) -> None:
    odd = await recorded(world, connector, address, settings)
    wanted = EventFilter(tenant_id=DEFAULT_TENANT, target_id=odd.id, kinds=frozenset({EventKind.LOOKED}))
    async with working(world.kernel):
        async with aclosing(cast("Any", world.kernel.ledger.follow(wanted, after=0))) as events:
            looked = await anext(events)
        fine = await world.submit(await world.target())
        await world.until(fine, lambda row: row.complete)
    shown = await world.kernel.ledger.target(odd.id)
    assert shown.look is not None
    assert (shown.look.complete, shown.look.failures, shown.driver) == (False, 1, None)
    assert shown.look.error is not None
    assert said in shown.look.error
    assert (looked.data["complete"], looked.data["error"]) == (False, shown.look.error)


async def test_a_comparison_says_what_is_wrong_with_the_settings(world: World) -> None:
    odd = await recorded(world, "memory", {"remote": world.remote.name}, {"max_live": "many"})
    with pytest.raises(InvalidInputError, match="'odd' are not valid: setting 'max_live'"):
        await world.kernel.scan(odd)
