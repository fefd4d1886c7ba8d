"""All executions, in memory: by id, and in order of creation per instance and per workflow id."""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterator

from ..journal import Journal, Record
from .model import Execution, execution_from_record

Place = tuple[int, int, str]
"""Where an execution stands in a listing: created second, arrival number, id."""

KIND = "execution"


class ExecutionStore:
    """Adds, finds and keeps executions; every change is journalled before it is answered."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._by_id: dict[str, Execution] = {}
        self._places: defaultdict[str, list[Place]] = defaultdict(list)
        self._by_workflow: defaultdict[tuple[str, str], list[Place]] = defaultdict(list)
        self.last_number = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Execution]:
        return iter(self._by_id.values())

    def load(self, records: dict[str, Record]) -> None:
        """Take in what was journalled."""
        for record in records.values():
            self._index(execution_from_record(record))

    def add(self, execution: Execution) -> None:
        """Keep a new execution."""
        self._index(execution)
        self.save(execution)

    def save(self, execution: Execution) -> None:
        """Journal an execution as it is now."""
        self._journal.put(KIND, execution.id, execution)

    def get(self, execution_id: str) -> Execution | None:
        """The execution of that id, whatever its instance."""
        return self._by_id.get(execution_id)

    def places(self, instance_id: str, workflow_id: str | None) -> list[Place]:
        """The places of an instance's executions, oldest first; do not change the list."""
        if workflow_id is None:
            return self._places.get(instance_id, [])
        return self._by_workflow.get((instance_id, workflow_id), [])

    def clear(self) -> None:
        """Forget all."""
        self._by_id.clear()
        self._places.clear()
        self._by_workflow.clear()
        self.last_number = 0

    def _index(self, execution: Execution) -> None:
        place = (int(execution.created_at), execution.number, execution.id)
        self._by_id[execution.id] = execution
        self.last_number = max(self.last_number, execution.number)
        _put_in_order(self._places[execution.instance_id], place)
        _put_in_order(self._by_workflow[execution.instance_id, execution.workflow_id], place)


def _put_in_order(places: list[Place], place: Place) -> None:
    if not places or places[-1] < place:
        places.append(place)
    else:
        insort(places, place)
