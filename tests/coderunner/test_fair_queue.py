"""The fair queue: turns, bounds, and never two runs in one session."""

from __future__ import annotations

import random
from collections import Counter, deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from afield.coderunner.fair_queue import Bound, Bounds, FairQueue, Grant, QueueBoundError, Ticket
from afield.ledger.pool_slots import Home

SHARED = Home()
KEPT = Home("k-1", sole=True)


def queue_of(places: int, **bounds: int) -> FairQueue:
    queue = FairQueue(Bounds(**bounds))
    for slot in range(places):
        queue.add(slot, None)
    return queue


def granted(queue: FairQueue) -> list[Grant]:
    found = []
    while (grant := queue.next()) is not None:
        found.append(grant)
    return found


def test_users_take_turns_whatever_the_length_of_their_queues() -> None:
    queue = queue_of(1)
    for _ in range(1000):
        queue.ask("many", SHARED)
    queue.ask("one", SHARED)
    served = []
    for _ in range(4):
        [grant] = granted(queue)
        served.append(grant.ticket.user)
        queue.settled(grant.slot, SHARED)
        queue.give_back(grant.slot)
    assert served == ["many", "one", "many", "many"]


def test_the_bounds_are_kept_and_say_which() -> None:
    queue = queue_of(0, most_waiting=3, most_waiting_per_user=2)
    queue.ask("a", SHARED)
    first = queue.ask("a", SHARED)
    with pytest.raises(QueueBoundError) as refused:
        queue.ask("a", SHARED)
    assert refused.value.bound is Bound.USER
    queue.ask("b", SHARED)
    with pytest.raises(QueueBoundError) as refused:
        queue.ask("c", SHARED)
    assert refused.value.bound is Bound.TOTAL
    queue.withdraw(first)
    queue.withdraw(first)
    assert queue.waiting == 2
    queue.ask("c", SHARED)


def test_a_shared_session_is_used_again_without_being_cleared() -> None:
    queue = queue_of(1)
    queue.ask("a", SHARED)
    [grant] = granted(queue)
    assert grant.clear
    queue.settled(0, SHARED)
    queue.give_back(0)
    queue.ask("b", SHARED)
    [grant] = granted(queue)
    assert not grant.clear


def test_a_session_of_one_name_is_used_by_one_run_at_a_time_and_only_there() -> None:
    queue = queue_of(2)
    first = queue.ask("a", KEPT, may_move=True)
    second = queue.ask("a", KEPT, may_move=True)
    [grant] = granted(queue)
    assert grant.ticket is first
    queue.settled(grant.slot, KEPT)
    assert granted(queue) == []
    queue.give_back(grant.slot)
    [again] = granted(queue)
    assert (again.ticket, again.slot, again.clear) == (second, grant.slot, False)


def test_other_runs_of_the_user_do_not_wait_behind_a_session_in_use() -> None:
    queue = queue_of(2)
    queue.ask("a", KEPT, may_move=True)
    queue.ask("a", KEPT, may_move=True)
    queue.ask("a", SHARED)
    assert [grant.ticket.home for grant in granted(queue)] == [KEPT, SHARED]


def test_a_kept_session_is_cleared_only_when_nothing_else_is_left_and_the_oldest_first() -> None:
    queue = queue_of(3)
    homes = [Home("k-1", sole=True), Home("k-2", sole=True), Home("u-1")]
    for home in homes:
        queue.ask("a", home, may_move=True)
    slots = {grant.ticket.home: grant.slot for grant in granted(queue)}
    for home, slot in slots.items():
        queue.settled(slot, home)
        queue.give_back(slot)
    stuck = queue.ask("b", SHARED)
    assert granted(queue) == []
    assert queue.stuck() == [stuck]
    stuck.may_move = True
    queue.ask("b", SHARED, may_move=True)
    queue.ask("b", SHARED, may_move=True)
    assert [grant.slot for grant in granted(queue)] == [slots[homes[2]], slots[homes[0]], slots[homes[1]]]


def test_a_session_of_one_name_is_looked_for_elsewhere_before_it_is_begun_here() -> None:
    queue = queue_of(1)
    ticket = queue.ask("a", KEPT)
    assert granted(queue) == []
    assert queue.stuck() == [ticket]
    queue.add(7, KEPT)
    [grant] = granted(queue)
    assert (grant.slot, grant.clear) == (7, False)


def test_a_place_that_was_abandoned_is_cleared_unless_the_session_is_the_users_own() -> None:
    queue = FairQueue()
    queue.add(0, SHARED, unclean=True)
    queue.add(1, KEPT, unclean=True)
    queue.ask("a", SHARED)
    queue.ask("b", KEPT)
    assert {grant.slot: grant.clear for grant in granted(queue)} == {0: True, 1: False}


def test_a_place_that_leaves_is_given_to_nobody() -> None:
    queue = queue_of(2)
    queue.ask("a", SHARED)
    [grant] = granted(queue)
    other = 1 - grant.slot
    assert queue.leave(other)
    assert not queue.leave(grant.slot)
    queue.ask("a", SHARED)
    assert granted(queue) == []
    assert queue.give_back(grant.slot)
    assert granted(queue) == []
    assert queue.places() == []


def test_a_ticket_whose_place_came_to_nothing_is_the_next() -> None:
    queue = queue_of(1)
    first = queue.ask("a", SHARED)
    queue.ask("b", SHARED)
    queue.ask("a", SHARED)
    [grant] = granted(queue)
    queue.give_back(grant.slot)
    queue.again(first)
    [grant] = granted(queue)
    assert grant.ticket is first


@pytest.mark.parametrize("keeps_state", [False, True])
def test_equally_demanding_users_are_served_equally(keeps_state: bool) -> None:
    """Jain's index over 200 users with 20 runs each, on 10 places, seen in the middle of the work."""
    queue, rnd = queue_of(10, most_waiting=4000), random.Random(4)
    users = [f"user-{n}" for n in range(200)]
    asked = [user for user in users for _ in range(20)]
    rnd.shuffle(asked)
    for user in asked:
        queue.ask(user, Home(f"u-{user}") if keeps_state else SHARED, may_move=True)
    served: Counter[str] = Counter()
    busy: deque[Grant] = deque()
    while sum(served.values()) < 2000:
        busy.extend(granted(queue))
        busy.rotate(rnd.randrange(len(busy)))
        done = busy.popleft()
        served[done.ticket.user] += 1
        queue.settled(done.slot, done.ticket.home)
        queue.give_back(done.slot)
    counts = [served[user] for user in users]
    assert sum(counts) ** 2 / (len(counts) * sum(n * n for n in counts)) >= 0.99


USERS = st.sampled_from(["ann", "bob", "cy"])
HOMES = st.sampled_from([SHARED, Home("own"), Home("kept-1", sole=True), Home("kept-2", sole=True)])


def named(home: Home, user: str) -> Home:
    return home if home == SHARED else Home(f"{home.session}-{user}", home.sole)


class Queueing(RuleBasedStateMachine):
    """Any order of what can happen to a queue: never two in one place, nothing lost, bounds kept, nobody starves."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = FairQueue(Bounds(most_waiting=12, most_waiting_per_user=6))
        self.waiting: set[Ticket] = set()
        self.busy: dict[int, Grant] = {}
        self.there: dict[int, Home | None] = {}  # which session is in which place
        self.owners: dict[int, str] = {}  # whose traces it may hold
        self.passed: Counter[str] = Counter()  # turns of others since this user's last one
        self.slots = 0

    @rule(user=USERS, home=HOMES, may_move=st.booleans())
    def ask(self, user: str, home: Home, may_move: bool) -> None:
        mine = sum(ticket.user == user for ticket in self.waiting)
        full = mine >= 6 or len(self.waiting) >= 12
        try:
            ticket = self.queue.ask(user, named(home, user), may_move=may_move)
        except QueueBoundError:
            assert full
        else:
            assert not full
            self.waiting.add(ticket)

    @precondition(lambda self: self.slots < 6)
    @rule()
    def add(self) -> None:
        self.queue.add(self.slots, None)
        self.there[self.slots] = None
        self.slots += 1

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.waiting, key=lambda one: one.number)))
        self.queue.withdraw(ticket)
        self.waiting.discard(ticket)

    @rule()
    def search(self) -> None:
        for ticket in self.queue.stuck():
            ticket.may_move = True

    @rule()
    def give(self) -> None:
        while (grant := self.queue.next()) is not None:
            self.check_grant(grant)
            self.busy[grant.slot] = grant
            self.waiting.discard(grant.ticket)

    def check_grant(self, grant: Grant) -> None:
        ticket, slot = grant.ticket, grant.slot
        assert ticket in self.waiting
        assert slot not in self.busy and slot in self.there
        if ticket.home.sole:
            assert all(one.ticket.home != ticket.home for one in self.busy.values())
            assert all(home != ticket.home for other, home in self.there.items() if other != slot)
        if not grant.clear:
            assert self.there[slot] == ticket.home
            assert ticket.home == SHARED or self.owners[slot] == ticket.user

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), settled=st.booleans())
    def give_back(self, data: st.DataObject, settled: bool) -> None:
        slot = data.draw(st.sampled_from(sorted(self.busy)))
        grant = self.busy.pop(slot)
        if settled:
            self.there[slot], self.owners[slot] = grant.ticket.home, grant.ticket.user
            self.queue.settled(slot, grant.ticket.home)
        assert not self.queue.give_back(slot)

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.there)))
        self.queue.remove(slot)
        del self.there[slot]
        self.busy.pop(slot, None)

    @invariant()
    def counts_agree(self) -> None:
        assert self.queue.waiting == len(self.waiting) == sum(self.queue.users_waiting().values())
        assert set(self.queue) == self.waiting
        assert {place.slot for place in self.queue.places()} == set(self.there)

    def teardown(self) -> None:
        """Everybody who still waits is served, in turns, once there are places."""
        for slot in sorted(self.busy):
            self.queue.give_back(slot)
        self.busy.clear()
        self.queue.add(99, None)
        self.there[99] = None
        while self.waiting:
            before = len(self.waiting)
            self.search()
            self.give()
            for slot in sorted(self.busy):
                grant = self.busy.pop(slot)
                self.there[slot], self.owners[slot] = grant.ticket.home, grant.ticket.user
                self.queue.settled(slot, grant.ticket.home)
                self.queue.give_back(slot)
            assert len(self.waiting) < before


TestQueueing = Queueing.TestCase
TestQueueing.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
