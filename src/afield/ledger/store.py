"""What all parts of the Postgres ledger share."""

from __future__ import annotations

from dataclasses import dataclass

from afield.clock import Clock
from afield.ledger.commit import GroupCommit
from afield.ledger.database import Database, Row
from afield.ledger.listen import Listener
from afield.model.execution import Applied


@dataclass(frozen=True, slots=True)
class Store:
    """One ledger's doors to its database."""

    db: Database
    clock: Clock
    listener: Listener
    moves: GroupCommit[Applied]
    creations: GroupCommit[Row]
    beginnings: GroupCommit[Row]


class Part:
    """One noun of the ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._db = store.db

    @property
    def database(self) -> Database:
        """For stores of products that keep tables of their own beside the ledger's."""
        return self._db
