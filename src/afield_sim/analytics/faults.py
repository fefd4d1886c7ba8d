"""What can be made to go wrong with a call. Faults are set by the kind of call; `*` is for those without their own."""

from typing import ClassVar

from pydantic import Field, TypeAdapter

from ..counters import Counters
from ..striking import EVERYWHERE, Chance, Fault, Striking

CALLS = (
    "create_agent", "get_agent", "list_agents", "update_agent", "delete_agent", "get_policy", "set_policy",
    "get_operation", "list_operations", "cancel_operation", "delete_operation",
    "create_conversation", "get_conversation", "list_conversations", "update_conversation", "delete_conversation",
    "list_messages", "chat",
)  # fmt: skip


class Throttled(Striking):
    """429; with `retry_after` seconds as the header of that name, if given."""

    retry_after: int | None = Field(default=None, ge=0)


class Slow(Striking):
    """The answer begins after `seconds`."""

    seconds: float = Field(default=1, ge=0, le=300)


class Dripping(Striking):
    """The pieces of a stream come `seconds` apart."""

    seconds: float = Field(default=0.1, ge=0, le=300)


class Cut(Striking):
    """The connection breaks in the middle of the message after the first `after`."""

    after: int = Field(default=2, ge=0)


class Failing(Striking):
    """A chat ends with this error message and no answer."""

    text: str = "The query could not be run."


class CallFaults(Fault):
    """All faults of one kind of call. `cut`, `dripping` and `failing` are of chats, `stuck` of what starts operations:
    they never end."""

    NONE: ClassVar["CallFaults"]

    throttled: Throttled | None = None
    unavailable: Striking | None = None
    denied: Striking | None = None
    not_found: Striking | None = None
    slow: Slow | None = None
    reply_lost: Striking | None = None
    cut: Cut | None = None
    dripping: Dripping | None = None
    failing: Failing | None = None
    stuck: Striking | None = None


CallFaults.NONE = CallFaults()
_plan = TypeAdapter(dict[str, CallFaults])


class FaultBox:
    """The faults that are set now, and the seeded chance that decides."""

    def __init__(self, seed: int, counters: Counters) -> None:
        self._chance = Chance(seed, counters)
        self._set: dict[str, CallFaults] = {}

    def of(self, call: str) -> CallFaults:
        """The faults of a kind of call: its own, else those set for `*`."""
        return self._set.get(call) or self._set.get(EVERYWHERE, CallFaults.NONE)

    def strikes(self, fault: Striking | None) -> bool:
        """Whether it strikes now; counts it."""
        return fault is not None and self._chance.strikes(fault)

    def put(self, plan: object) -> None:
        """Replace the faults of the calls named. Raises ValueError, of which pydantic.ValidationError is one."""
        fresh = _plan.validate_python(plan)
        unknown = {*fresh} - {*CALLS, EVERYWHERE}
        if unknown:
            raise ValueError(f"unknown call {', '.join(sorted(unknown))}; there are {', '.join(CALLS)}")
        for call, faults in fresh.items():
            for name in CallFaults.model_fields:
                fault = getattr(faults, name)
                if fault is not None:
                    fault.put_at(call, name)
        self._set |= fresh

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._set.clear()

    def as_json(self) -> dict[str, object]:
        """All faults that are set, with the counts left."""
        return {call: faults.model_dump(exclude_none=True) for call, faults in self._set.items()}
