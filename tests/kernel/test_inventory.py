"""The inventory: what was seen, what is new or gone, and targets that are never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Self

import pytest
from kernel_world import World
from pydantic import Field

from afield.connectors.accounts import Account, AccountContext, Machine, Trail, register_account
from afield.connectors.base import Check, CheckResult, CheckVerdict, StrictModel
from afield.errors import ConflictError, CredentialError, InvalidInputError, NotFoundError
from afield.inventory import Inventory
from afield.ledger.machines import MachineFilter, Machines
from afield.model.target import DEFAULT_TENANT


class Address(StrictModel):
    room: str = Field(min_length=1)


class Cupboard(Account[Address]):
    """A cloud of this process: what it holds, and how it answers, is said by the test."""

    name: ClassVar[str] = "cupboard"
    Address = Address
    machines: ClassVar[list[Machine]] = []
    breaks_off: ClassVar[bool] = False
    refuses: ClassVar[bool] = False
    opened: ClassVar[list[AccountContext]] = []

    @classmethod
    async def open(cls, context: AccountContext) -> Self:
        cls.opened.append(context)
        if "key" not in context.secret:
            raise CredentialError("The key is missing.", hint="Look under the mat.")
        return cls()

    def check(self) -> Sequence[Check]:
        result = CheckResult(verdict=CheckVerdict.OK, asked="the door", answered="open, with the key hunter2-hunter2")
        return (Check(name="door", probe=partial(asyncio.sleep, 0, result)),)

    async def discover(self, trail: Trail) -> AsyncIterator[Machine]:
        trail.way = "by hand"
        if self.refuses:
            raise CredentialError("The key does not fit.")
        for machine in self.machines:
            yield machine
        trail.complete, trail.problem = not self.breaks_off, "the light went out" if self.breaks_off else ""


def machine(name: str, **more: Any) -> Machine:
    """Known to the in-process connector under its id."""
    given = {"group": "Shelf", "kind": "Linux", "power": "running"} | more
    remote_id = given.pop("remote_id", f"/Cupboard/{name}")
    return Machine(remote_id=remote_id, name=name, connector="memory", address={"remote": remote_id}, **given)


@pytest.fixture
async def inventory(world: World, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    register_account(Cupboard)
    monkeypatch.setattr(Cupboard, "machines", [machine("web1"), machine("web2")])
    monkeypatch.setattr(Cupboard, "opened", [])
    await world.kernel.credentials.add(DEFAULT_TENANT, "key", "cupboard", {"key": "hunter2-hunter2"})
    made = Inventory(world.kernel)
    await made.add_account(kind="cupboard", name="home", address={"room": "hall"}, credential="key")
    return made


async def names(inventory: Inventory, **wanted: Any) -> list[str]:
    return [seen.machine.name for seen in await inventory.machines(MachineFilter(**wanted))]


async def test_accounts_are_checked_before_they_are_recorded(inventory: Inventory) -> None:
    with pytest.raises(InvalidInputError, match="room"):
        await inventory.add_account(kind="cupboard", name="bad", address={})
    with pytest.raises(InvalidInputError, match="no kind of account 'moon'"):
        await inventory.add_account(kind="moon", name="bad", address={})
    with pytest.raises(NotFoundError):
        await inventory.add_account(kind="cupboard", name="bad", address={"room": "x"}, credential="none")
    with pytest.raises(ConflictError, match="'home' already"):
        await inventory.add_account(kind="cupboard", name="home", address={"room": "x"})
    [account] = await inventory.accounts()
    assert (account.name, account.kind, account.address, account.discovered_at) == (
        "home",
        "cupboard",
        {"room": "hall"},
        None,
    )


async def test_a_connection_is_tested_without_showing_secrets(inventory: Inventory) -> None:
    diagnosis = await inventory.check_account("home")
    assert diagnosis.verdict is CheckVerdict.OK
    assert "hunter2" not in repr(diagnosis)
    assert Cupboard.opened[0].secret == {"key": "hunter2-hunter2"}


async def test_a_credential_that_lacks_something_is_a_diagnosis(inventory: Inventory) -> None:
    await inventory.add_account(kind="cupboard", name="keyless", address={"room": "hall"})
    diagnosis = await inventory.check_account("keyless")
    assert diagnosis.verdict is CheckVerdict.FAIL
    assert diagnosis.sentence == "The key is missing; next step: look under the mat."


async def test_what_a_complete_discovery_does_not_show_is_gone_until_it_comes_back(
    inventory: Inventory, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await inventory.discover("home")
    assert (first.found, first.new, first.gone, first.way, first.complete) == (2, 2, 0, "by hand", True)
    world.clock.ahead += timedelta(minutes=1)
    monkeypatch.setattr(Cupboard, "machines", [machine("WEB1", remote_id="/CUPBOARD/WEB1"), machine("db")])
    second = await inventory.discover("home")
    assert (second.found, second.new, second.gone) == (2, 1, 1)
    assert await names(inventory) == ["db", "WEB1"]
    assert await names(inventory, gone=True) == ["db", "WEB1", "web2"]
    world.clock.ahead += timedelta(minutes=1)
    monkeypatch.setattr(Cupboard, "machines", [machine("web1"), machine("web2"), machine("db")])
    third = await inventory.discover("home")
    assert (third.found, third.new, third.gone) == (3, 0, 0)
    assert await names(inventory) == ["db", "web1", "web2"]


async def test_an_incomplete_discovery_says_nothing_about_what_it_did_not_show(
    inventory: Inventory, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await inventory.discover("home")
    world.clock.ahead += timedelta(minutes=1)
    monkeypatch.setattr(Cupboard, "machines", [machine("db")])
    monkeypatch.setattr(Cupboard, "breaks_off", True)
    report = await inventory.discover("home")
    assert (report.new, report.gone, report.complete, report.problem) == (1, 0, False, "the light went out")
    assert await names(inventory) == ["db", "web1", "web2"]
    [account] = await inventory.accounts()
    assert account.discovered_at is not None and account.complete_at is not None
    assert account.discovered_at - account.complete_at >= timedelta(minutes=1)


async def test_a_refused_credential_changes_nothing(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    await inventory.discover("home")
    monkeypatch.setattr(Cupboard, "refuses", True)
    with pytest.raises(CredentialError):
        await inventory.discover("home")
    assert await names(inventory) == ["web1", "web2"]


async def test_an_older_discovery_that_ends_later_does_not_overwrite(inventory: Inventory, world: World) -> None:
    await inventory.discover("home")
    [account] = await inventory.accounts()
    old = world.clock.now() - timedelta(hours=1)
    kept = await Machines(world.kernel.ledger.database).replace_all(
        account.id, [machine("web1", power="stopped")], complete=True, at=old
    )
    assert (kept.new, kept.gone) == (0, 0)
    assert {seen.machine.power for seen in await inventory.machines()} == {"running"}


async def test_filters(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    more = [machine("web1"), machine("db", group="Cellar", kind="Windows", tags={"env": "prod"})]
    monkeypatch.setattr(Cupboard, "machines", more)
    await inventory.discover("home")
    assert await names(inventory, text="EB") == ["web1"]
    assert await names(inventory, group="cellar") == await names(inventory, kind="windows") == ["db"]
    assert await names(inventory, account_id=DEFAULT_TENANT) == []
    assert (await inventory.machines(MachineFilter(text="db")))[0].machine == more[1]


async def test_names_are_compared_without_case_and_whole(inventory: Inventory) -> None:
    await inventory.discover("home")
    assert [seen.machine.name for seen in await inventory.find_machines("WEB1")] == ["web1"]
    assert [seen.machine.name for seen in await inventory.find_machines("/cupboard/WEB2")] == ["web2"]
    assert await inventory.find_machines("web") == []


async def test_a_target_is_made_once_with_the_accounts_credential(inventory: Inventory, world: World) -> None:
    await inventory.discover("home")
    [seen] = await inventory.find_machines("web1")
    made = await asyncio.gather(*(inventory.target_for(seen) for _ in range(3)))
    assert len({target.id for target in made}) == 1
    [account] = await inventory.accounts()
    assert (made[0].name, made[0].connector, made[0].credential_id) == ("web1", "memory", account.credential_id)
    assert len(await world.kernel.ledger.targets(DEFAULT_TENANT)) == 1


async def test_an_existing_target_is_found_by_the_machines_id(inventory: Inventory, world: World) -> None:
    await inventory.discover("home")
    [seen] = await inventory.find_machines("web1")
    target = await world.target("mine", remote="/CUPBOARD/web1/")
    assert (await inventory.target_for(seen)).id == target.id


async def test_it_does_not_guess(inventory: Inventory, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await inventory.discover("home")
    [seen] = await inventory.find_machines("web1")
    await world.target("web1", remote="/elsewhere")
    assert (await inventory.target_for(seen)).name == "web1-Shelf"
    await world.target("third", remote="/cupboard/web1")
    with pytest.raises(ConflictError, match=r"third, web1-Shelf|web1-Shelf, third"):
        await inventory.target_for(seen)
    world.clock.ahead += timedelta(minutes=1)
    monkeypatch.setattr(Cupboard, "machines", [])
    await inventory.discover("home")
    [gone] = await inventory.machines(MachineFilter(text="web2", gone=True))
    with pytest.raises(ConflictError, match="gone since"):
        await inventory.target_for(gone)


async def test_a_deleted_account_takes_its_machines_along_and_leaves_targets(inventory: Inventory) -> None:
    await inventory.discover("home")
    [seen] = await inventory.find_machines("web1")
    target = await inventory.target_for(seen)
    await inventory.delete_account("home")
    assert await inventory.machines() == await inventory.accounts() == []
    assert (await inventory.target_for(seen)).id == target.id
    with pytest.raises(NotFoundError):
        await inventory.discover("home")
