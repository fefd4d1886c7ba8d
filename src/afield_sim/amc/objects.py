"""Saved queries and schedules: named JSON objects of an instance."""

from collections import defaultdict
from typing import Any

from ..journal import Journal, Record


class ObjectStore:
    """Objects by instance and name, in the order of their creation; every change is journalled."""

    def __init__(self, kind: str, journal: Journal, records: dict[str, Record]) -> None:
        self._kind = kind
        self._journal = journal
        self._objects: defaultdict[str, dict[str, Record]] = defaultdict(dict)
        for key, record in records.items():
            instance_id, _, name = key.partition("/")
            self._objects[instance_id][name] = record

    def all(self, instance_id: str) -> list[Record]:
        """All objects of an instance."""
        return list(self._objects[instance_id].values())

    def get(self, instance_id: str, name: str) -> Record | None:
        """One object; None when there is none of that name."""
        return self._objects[instance_id].get(name)

    def put(self, instance_id: str, name: str, value: dict[str, Any]) -> None:
        """Keep an object, in place of one of the same name."""
        self._objects[instance_id][name] = value
        self._journal.put(self._kind, f"{instance_id}/{name}", value)

    def delete(self, instance_id: str, name: str) -> bool:
        """Forget an object; whether it was there."""
        found = self._objects[instance_id].pop(name, None)
        if found is not None:
            self._journal.delete(self._kind, f"{instance_id}/{name}")
        return found is not None

    def clear(self) -> None:
        """Forget all."""
        self._objects.clear()
