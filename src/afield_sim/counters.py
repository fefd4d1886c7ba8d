"""How often what was called, for tests that count."""

from collections import Counter, defaultdict


class Counters:
    """Calls by instance and kind, faults that struck by instance and name, tokens by kind."""

    def __init__(self) -> None:
        self.calls: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.faults: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.tokens: Counter[str] = Counter()

    def as_json(self) -> dict[str, object]:
        """All counts as plain JSON."""
        return {"calls": dict(self.calls), "faults": dict(self.faults), "tokens": dict(self.tokens)}

    def total(self, kind: str, instance_id: str | None = None) -> int:
        """Calls of one kind, of one instance or of all."""
        if instance_id is not None:
            return self.calls[instance_id][kind]
        return sum(calls[kind] for calls in self.calls.values())

    def reset(self) -> None:
        """Back to zero."""
        self.calls.clear()
        self.faults.clear()
        self.tokens.clear()
