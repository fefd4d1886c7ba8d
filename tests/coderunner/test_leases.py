"""Leases among processes that share a pool: a desk each, one ledger."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from afield.coderunner.fair_queue import Bounds
from afield.coderunner.identifiers import SHARED, identifier, kept_home, own_home
from afield.coderunner.leases import LeaseDesk
from afield.coderunner.pool_errors import PoolClosedError, QueueFullError, UserQueueFullError
from afield.coderunner.slots import ClaimTimes, HomeTakenError, PlaceLostError, Slots
from afield.errors import InvalidInputError, LookError
from afield.ledger.base import NewTarget
from afield.ledger.pool_slots import Home, PoolSlots
from afield.ledger.postgres import PostgresLedger
from afield.model.ids import uuid7
from afield.model.target import DEFAULT_TENANT
from afield.security.secrets import Keyring

TIMES = ClaimTimes(hold=5.0, beat=0.05, margin=1.0, want=2.0, idle=0.2)
KEPT = kept_home(DEFAULT_TENANT, "ann", "main")
KEYRING = Keyring([bytes(32)])


class Processes:
    """Makes desks, as so many processes would, and watches what they do with sessions."""

    def __init__(self, ledger: PostgresLedger, target_id: UUID) -> None:
        self.ledger = ledger
        self.target_id = target_id
        self.desks: list[LeaseDesk] = []
        self.stopped: list[str] = []
        self.refuses: list[Exception] = []
        self.stop_asked = asyncio.Event()

    async def slots(self, places: int, times: ClaimTimes = TIMES) -> Slots:
        return await Slots.open(self.ledger.database, KEYRING, self.target_id, places, times)

    async def desk(self, places: int, times: ClaimTimes = TIMES, bounds: Bounds | None = None) -> LeaseDesk:
        desk = LeaseDesk(await self.slots(places, times), self.stop, bounds)
        self.desks.append(desk)
        return desk

    async def stop(self, name: str) -> None:
        self.stop_asked.set()
        if self.refuses:
            raise self.refuses.pop()
        self.stopped.append(name)

    async def expire(self) -> None:
        """As if all holders had not been heard of for long."""
        await self.ledger.database.all(
            "update afield.pool_slot set held_until = now() - interval '1 s' where holder is not null returning slot"
        )

    async def rows(self) -> list[tuple[object, ...]]:
        return await self.ledger.database.all(
            "select slot, holder is null, session, identifier from afield.pool_slot order by slot"
        )


@pytest.fixture
async def processes(slots_url: str) -> AsyncIterator[Processes]:
    async with await PostgresLedger.open(slots_url) as ledger:
        new = NewTarget(id=uuid7(), tenant_id=DEFAULT_TENANT, connector="fake_pool", name="p", address={})
        made = Processes(ledger, (await ledger.add_target(new)).id)
        yield made
        await asyncio.gather(*(desk.close() for desk in made.desks))


@asynccontextmanager
async def leased(desk: LeaseDesk, user: str = "ann", home: Home = SHARED) -> AsyncIterator[str]:
    async with desk.lease(user, home) as lease:
        yield lease.identifier
        lease.ended()


async def use(desk: LeaseDesk, user: str = "ann", home: Home = SHARED) -> str:
    async with leased(desk, user, home) as name:
        return name


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():
        pass


# --------------------------------------------------------------------------------------- identifiers


def test_identifiers_are_fit_for_a_pool_and_tell_everything_apart() -> None:
    target, key = uuid4(), bytes(32)
    homes = [SHARED, own_home(DEFAULT_TENANT, "ann"), KEPT, kept_home(DEFAULT_TENANT, "ann", "other")]
    homes += [kept_home(DEFAULT_TENANT, "bob", "main"), kept_home(uuid4(), "ann", "main"), own_home(uuid4(), "ann")]
    names = {identifier(key, target, slot, home, n) for slot in (0, 1) for home in homes for n in (1, 2)}
    names |= {identifier(bytes([1] * 32), target, 0, SHARED, 1), identifier(key, uuid4(), 0, SHARED, 1)}
    assert len(names) == 4 * len(homes) + 2
    assert all(re.fullmatch(r"af-[0-9a-f]{40}", name) for name in names)
    assert identifier(key, target, 0, KEPT, 1) == identifier(key, target, 0, KEPT, 1)


def test_homes_do_not_run_into_each_other() -> None:
    assert kept_home(DEFAULT_TENANT, "a", "bc") != kept_home(DEFAULT_TENANT, "ab", "c")
    assert own_home(DEFAULT_TENANT, "ann") != kept_home(DEFAULT_TENANT, "ann", "ann")
    with pytest.raises(InvalidInputError):
        kept_home(DEFAULT_TENANT, "ann", "a\nb")


async def test_all_processes_derive_from_one_sealed_secret(processes: Processes) -> None:
    one, two = await asyncio.gather(processes.slots(1), processes.slots(1))
    assert one._key == two._key
    [(sealed,)] = await processes.ledger.database.all("select sealed from afield.pool_secret")
    assert one._key not in bytes(sealed)


# --------------------------------------------------------------------------------------- places


async def test_processes_never_have_the_same_place(processes: Processes) -> None:
    slots = [await processes.slots(7) for _ in range(3)]
    claims = await asyncio.gather(*(one.claim(SHARED) for one in slots for _ in range(4)))
    got = [claim.place.slot for claim in claims if claim.place is not None]
    assert sorted(got) == list(range(7))


async def test_a_place_is_claimed_again_with_its_session(processes: Processes) -> None:
    one, two = await processes.slots(3), await processes.slots(3)
    claim = await one.claim(KEPT)
    assert claim.place is not None
    name = await one.begin(claim.place.slot, KEPT)
    assert (await two.claim(KEPT)).elsewhere
    await one.free([claim.place.slot])
    found = (await two.claim(KEPT)).place
    assert found is not None
    assert (found.slot, found.identifier, found.abandoned) == (claim.place.slot, name, False)


async def test_two_processes_cannot_begin_one_kept_session(processes: Processes) -> None:
    one, two = await processes.slots(2), await processes.slots(2)
    first, second = (await one.claim(SHARED)).place, (await two.claim(SHARED)).place
    assert first is not None and second is not None
    await one.begin(first.slot, KEPT)
    with pytest.raises(HomeTakenError):
        await two.begin(second.slot, KEPT)


async def test_a_place_that_was_taken_over_is_lost(processes: Processes) -> None:
    one, two = await processes.slots(1), await processes.slots(1)
    place = (await one.claim(SHARED)).place
    assert place is not None
    before = await one.begin(place.slot, SHARED)
    await processes.expire()
    taken = (await two.claim(SHARED)).place
    assert taken is not None and taken.abandoned
    after = await two.begin(taken.slot, SHARED)
    assert after != before
    with pytest.raises(PlaceLostError):
        await one.begin(place.slot, SHARED)
    assert await one.renew([]) == {}


async def test_a_claim_that_may_be_over_is_not_trusted(processes: Processes) -> None:
    slots = await processes.slots(1, replace(TIMES, hold=1.0, margin=1.0))
    claim = await slots.claim(SHARED)
    assert claim.place is not None
    with pytest.raises(PlaceLostError):
        slots.place(claim.place.slot)


async def test_a_smaller_pool_leaves_the_places_beyond_alone(processes: Processes) -> None:
    await processes.slots(4)
    slots = await processes.slots(2)
    claims = [await slots.claim(SHARED) for _ in range(3)]
    assert sorted(claim.place.slot for claim in claims if claim.place) == [0, 1]
    assert slots.all_held
    assert (await slots.use()).held == 2


async def test_a_wish_goes_to_who_has_the_most(processes: Processes) -> None:
    store = PoolSlots(processes.ledger.database, processes.target_id, uuid4(), 5)
    greedy, modest = await processes.slots(5), await processes.slots(5)
    for slots, many in ((greedy, 3), (modest, 2)):
        for _ in range(many):
            await slots.claim(SHARED)
    wanted = await store.want(SHARED, 5)
    ours = await greedy.renew([])
    assert [slot for slot, is_wanted in ours.items() if is_wanted] == [wanted]
    assert not any((await modest.renew([])).values())
    assert await modest._store.want(SHARED, 5) is None, "it has as many as it should"


# --------------------------------------------------------------------------------------- leases


async def test_one_run_at_a_time_in_each_session(processes: Processes) -> None:
    desks = [await processes.desk(4) for _ in range(3)]
    busy: set[str] = set()
    most = 0

    async def run(n: int) -> None:
        nonlocal most
        home = [SHARED, own_home(DEFAULT_TENANT, f"u{n % 5}"), kept_home(DEFAULT_TENANT, f"u{n % 5}", "k")][n % 3]
        async with leased(desks[n % len(desks)], f"u{n % 5}", home) as name:
            assert name not in busy
            busy.add(name)
            most = max(most, len(busy))
            await asyncio.sleep(0.001)
            busy.discard(name)

    await asyncio.gather(*map(run, range(150)))
    assert most <= 4


async def test_who_began_to_wait_before_all_places_were_here_may_clear_one_of_them(processes: Processes) -> None:
    desk = await processes.desk(1, replace(TIMES, idle=60.0))
    homes = [own_home(DEFAULT_TENANT, user) for user in ("ann", "bob", "cy")]
    names = await asyncio.gather(*(use(desk, home.session, home) for home in homes))
    assert len(set(names)) == 3
    assert set(processes.stopped) == {*names} - {names[-1]}


async def test_200_users_on_10_sessions_are_served_evenly(processes: Processes) -> None:
    desk = await processes.desk(10, bounds=Bounds(most_waiting=5000))
    served: Counter[str] = Counter()
    enough = asyncio.Event()

    async def run(user: str) -> None:
        async with leased(desk, user):
            await asyncio.sleep(0)
            served[user] += 1
            if served.total() == 1000:
                enough.set()

    users = [f"user-{n}" for n in range(200)]
    running = [asyncio.create_task(run(user)) for user in users for _ in range(10)]
    await enough.wait()
    counts = [served[user] for user in users]
    assert sum(counts) ** 2 / (len(counts) * sum(n * n for n in counts)) >= 0.95
    await asyncio.gather(*running)
    assert set(served.values()) == {10}
    assert processes.stopped == []


async def test_a_run_that_is_not_known_to_have_ended_costs_the_session(processes: Processes) -> None:
    desk = await processes.desk(1)
    async with desk.lease("ann", SHARED) as lease:
        before = lease.identifier
    after = await use(desk)
    assert processes.stopped == [before]
    assert after != before


async def test_a_place_waits_for_the_end_of_its_run(processes: Processes) -> None:
    desk, over = await processes.desk(1), asyncio.Event()

    async def ending() -> bool:
        return await over.wait()

    async with desk.lease("ann", SHARED) as lease:
        lease.goes_on(ending)
    other = asyncio.create_task(use(desk, "bob"))
    await asyncio.sleep(0)
    assert desk.waiting() == {"bob": 1}
    over.set()
    assert await other == lease.identifier
    assert processes.stopped == []


async def test_a_session_that_cannot_be_stopped_is_tried_again_and_used_by_nobody(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afield.coderunner.leases._MEND_PAUSE", 0.01)
    desk = await processes.desk(1)
    processes.refuses = [LookError("no answer")] * 3
    async with desk.lease("ann", SHARED) as lease:
        pass
    assert await use(desk, "bob") != lease.identifier
    assert processes.stopped == [lease.identifier]


async def test_an_error_or_a_cancel_while_a_place_is_cleared_leaves_it_usable(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afield.coderunner.leases._MEND_PAUSE", 0.01)
    desk = await processes.desk(1)
    await use(desk, "ann", KEPT)
    processes.refuses = [LookError("no answer")]
    with pytest.raises(LookError):
        await use(desk, "bob")
    assert await use(desk, "bob")
    assert len(processes.stopped) == 1


async def test_who_stops_waiting_costs_nobody_anything(processes: Processes) -> None:
    desk = await processes.desk(1)
    async with leased(desk):
        waiting = [asyncio.create_task(use(desk, f"u{n}")) for n in range(5)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in results] == [True, False, True, False, True]
    assert desk.waiting() == {}
    await use(desk)


async def test_too_many_waiting_are_told_when_to_come_back(processes: Processes) -> None:
    desk = await processes.desk(1, bounds=Bounds(most_waiting=3, most_waiting_per_user=2))
    await use(desk)
    async with leased(desk):
        waiting = [asyncio.create_task(use(desk, user)) for user in ("ann", "ann", "bob")]
        await asyncio.sleep(0)
        with pytest.raises(UserQueueFullError) as refused:
            await use(desk, "ann")
        assert refused.value.retry_after >= 1
        with pytest.raises(QueueFullError) as refused_all:
            await use(desk, "cy")
        assert (refused_all.value.status, refused_all.value.code) == (503, "queue_full")
    await asyncio.gather(*waiting)


async def test_a_hungry_process_gets_its_share(processes: Processes) -> None:
    greedy, hungry = await processes.desk(4), await processes.desk(4)
    stop = asyncio.Event()

    async def busy(n: int) -> None:
        while not stop.is_set():
            async with leased(greedy, f"u{n}"):
                await asyncio.sleep(0.005)

    running = [asyncio.create_task(busy(n)) for n in range(12)]
    await until(lambda: asyncio.sleep(0, len(greedy.leases()) == 4))
    async with AsyncExitStack() as stack:
        for n in range(2):
            await stack.enter_async_context(leased(hungry, f"h{n}"))
        assert len(greedy.leases()) <= 2
    stop.set()
    await asyncio.gather(*running)


async def test_places_that_nobody_uses_are_given_back(processes: Processes) -> None:
    desk = await processes.desk(2)
    async with leased(desk) as one, leased(desk) as two:
        assert one != two

    async def free() -> bool:
        return all(row[1] for row in await processes.rows())

    await until(free)
    assert {row[3] for row in await processes.rows()} == {one, two}, "the sessions stay warm"
    assert await use(desk) in {one, two}
    assert processes.stopped == []


async def test_a_process_that_loses_its_places_takes_others(processes: Processes) -> None:
    desk, other = await processes.desk(2), await processes.slots(2)
    async with leased(desk) as before:
        await processes.expire()
        taken = (await other.claim(SHARED)).place
        while taken is not None and taken.identifier != before:
            taken = (await other.claim(SHARED)).place
        assert taken is not None and taken.abandoned
        await until(lambda: asyncio.sleep(0, not desk._queue.places()))
    assert desk.leases() == ()
    await other.free([0, 1])
    await use(desk)


async def test_a_closed_desk_takes_nothing_and_gives_back_what_is_at_rest(processes: Processes) -> None:
    desk = await processes.desk(2)
    await use(desk)
    async with desk.lease("ann", SHARED) as lease:
        await use(desk, "cy")
        await desk.close()
    with pytest.raises(PoolClosedError):
        await use(desk)
    rows = {row[0]: row[1] for row in await processes.rows()}
    assert rows[lease.slot] is False, "nobody knows what goes on there"
    assert [free for slot, free in rows.items() if slot != lease.slot] == [True]
