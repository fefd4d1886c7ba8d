"""Who gets which place next. Pure: no clock, no I/O.

Users take turns, whatever the length of their queues. A place is used by one run at a time. Where another session is
than the run needs, the place has to be cleared first; the least loss goes first: empty places, then sessions without
state, then the kept session that was used longest ago.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from afield.ledger.pool_slots import Home


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many runs may wait, in total and of one user."""

    most_waiting: int = 2_000
    most_waiting_per_user: int = 1_000


class Bound(StrEnum):
    """Which of the bounds was reached."""

    TOTAL = "total"
    USER = "user"


class QueueBoundError(Exception):
    """One more would be too many."""

    def __init__(self, bound: Bound, waiting: int) -> None:
        super().__init__(bound)
        self.bound = bound
        self.waiting = waiting


@dataclass(slots=True, eq=False)
class Ticket:
    """One run that waits, or has a place."""

    number: int
    user: str
    home: Home
    may_move: bool = False  # there is no free place and no such session elsewhere: it may clear one of ours


@dataclass(slots=True)
class Place:
    """A place this process has, and what is there."""

    slot: int
    home: Home | None  # None: no session
    unclean: bool = False  # nobody knows what goes on in the session
    ticket: Ticket | None = None  # who has it
    leaving: bool = False  # to be given up as soon as nobody has it
    used: int = 0  # grows with every use


@dataclass(frozen=True, slots=True)
class Grant:
    """A ticket's turn. `clear`: the session that is there has to be stopped, if there is one, and another begun."""

    ticket: Ticket
    slot: int
    clear: bool


_Lanes = dict[Home, deque[Ticket]]


@dataclass(slots=True)
class FairQueue:
    """Waiting runs of users, and the places that they wait for."""

    bounds: Bounds = field(default_factory=Bounds)
    waiting: int = 0
    _places: dict[int, Place] = field(default_factory=dict)
    _users: dict[str, _Lanes] = field(default_factory=dict)  # in the order of their turns
    _counts: dict[str, int] = field(default_factory=dict)
    _idle: int = 0
    _numbers: int = 0
    _uses: int = 0

    # ------------------------------------------------------------------ waiting

    def ask(self, user: str, home: Home, *, may_move: bool = False) -> Ticket:
        """Begin to wait. Raises QueueBoundError."""
        mine = self._counts.get(user, 0)
        if mine >= self.bounds.most_waiting_per_user:
            raise QueueBoundError(Bound.USER, mine)
        if self.waiting >= self.bounds.most_waiting:
            raise QueueBoundError(Bound.TOTAL, self.waiting)
        self._numbers += 1
        ticket = Ticket(self._numbers, user, home, may_move)
        self._users.setdefault(user, {}).setdefault(home, deque()).append(ticket)
        self._count(user, 1)
        return ticket

    def again(self, ticket: Ticket, *, may_move: bool = False) -> None:
        """A ticket whose place came to nothing waits again, before all others."""
        ticket.may_move = may_move
        lanes = self._users.pop(ticket.user, {})
        lanes.setdefault(ticket.home, deque()).appendleft(ticket)
        self._users = {ticket.user: lanes, **self._users}
        self._count(ticket.user, 1)

    def withdraw(self, ticket: Ticket) -> None:
        """Stop waiting; nothing happens when it does not wait."""
        lane = self._users.get(ticket.user, {}).get(ticket.home)
        if lane is not None and ticket in lane:
            lane.remove(ticket)
            self._left(ticket)

    def next(self) -> Grant | None:
        """Give the next free place to whose turn it is; None while nobody who waits can have one."""
        if not self._idle or not self.waiting:
            return None
        for user in self._users:
            found = self._first_placeable(user)
            if found is not None:
                return self._give(*found)
        return None

    def stuck(self) -> list[Ticket]:
        """The first of each queue, in the order of turns, that finds no place here and may find one elsewhere."""
        return [
            ticket
            for user in self._users
            for ticket in self._fronts(user)
            if not (ticket.home.sole and self._at_home(ticket.home)) and self._place_for(ticket) is None
        ]

    def users_waiting(self) -> dict[str, int]:
        """How many runs of each user wait, in the order of turns."""
        return {user: self._counts[user] for user in self._users}

    # ------------------------------------------------------------------ places

    def places(self) -> list[Place]:
        """All there are."""
        return list(self._places.values())

    def add(self, slot: int, home: Home | None, *, unclean: bool = False) -> None:
        """A place more. `unclean`: its session must be stopped before anybody else has it."""
        self._places[slot] = Place(slot, home, unclean)
        self._idle += 1

    def remove(self, slot: int) -> None:
        """A place less, even if somebody has it."""
        place = self._places.pop(slot, None)
        if place is not None and place.ticket is None:
            self._idle -= 1

    def settled(self, slot: int, home: Home | None) -> None:
        """This is the session that is there now, and it is clean."""
        if slot in self._places:
            self._places[slot].home = home
            self._places[slot].unclean = False

    def leave(self, slot: int) -> bool:
        """Give the place up: at once (True), or as soon as nobody has it."""
        place = self._places.get(slot)
        if place is None:
            return False
        place.leaving = True
        if place.ticket is None:
            self.remove(slot)
            return True
        return False

    def give_back(self, slot: int) -> bool:
        """Nobody has the place any more. True: it is to be given up, and is removed."""
        place = self._places.get(slot)
        if place is None or place.ticket is None:
            return False
        place.ticket = None
        self._idle += 1
        return self.leave(slot) if place.leaving else False

    # ------------------------------------------------------------------ inside

    def _count(self, user: str, change: int) -> None:
        self.waiting += change
        self._counts[user] = self._counts.get(user, 0) + change

    def _left(self, ticket: Ticket) -> None:
        """Tidy up after one that waits no more."""
        self._count(ticket.user, -1)
        lanes = self._users[ticket.user]
        if not lanes[ticket.home]:
            del lanes[ticket.home]
        if not lanes:
            del self._users[ticket.user], self._counts[ticket.user]

    def _fronts(self, user: str) -> list[Ticket]:
        return sorted((lane[0] for lane in self._users[user].values()), key=lambda ticket: ticket.number)

    def _first_placeable(self, user: str) -> tuple[Ticket, Place] | None:
        for ticket in self._fronts(user):
            place = self._place_for(ticket)
            if place is not None:
                return ticket, place
        return None

    def _give(self, ticket: Ticket, place: Place) -> Grant:
        lanes = self._users.pop(ticket.user)
        self._users[ticket.user] = lanes  # the user's next turn comes after everybody else's
        lanes[ticket.home].popleft()
        self._left(ticket)
        self._uses += 1
        self._idle -= 1
        place.ticket, place.used = ticket, self._uses
        stays = place.home == ticket.home and (not place.unclean or ticket.home.sole)
        return Grant(ticket, place.slot, clear=not stays)

    def _place_for(self, ticket: Ticket) -> Place | None:
        home = ticket.home
        at_home = self._at_home(home)
        idle = [place for place in at_home if place.ticket is None]
        if idle:
            return max(idle, key=lambda place: place.used)
        if home.sole and (at_home or not ticket.may_move):
            return None
        others = (place for place in self._places.values() if place.ticket is None)
        if not ticket.may_move:
            others = (place for place in others if place.home is None)
        return min(others, key=_loss, default=None)

    def _at_home(self, home: Home) -> list[Place]:
        """Where such a session is, or is being begun."""
        return [p for p in self._places.values() if p.home == home or (p.ticket is not None and p.ticket.home == home)]

    def __iter__(self) -> Iterator[Ticket]:
        """All that wait, in no order."""
        return (ticket for lanes in self._users.values() for lane in lanes.values() for ticket in lane)


def _loss(place: Place) -> tuple[int, int]:
    """What is lost when the session is stopped."""
    kept = 0 if place.home is None else 2 if place.home.sole else 1
    return kept, place.used
