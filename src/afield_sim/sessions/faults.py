"""What can be made to go wrong at a session pool, and the box that says when it does.

Faults are set by the pool's name; `*` is for pools without faults of their own.
"""

from typing import ClassVar, Literal

from pydantic import Field, TypeAdapter, model_validator

from ..counters import Counters
from ..striking import EVERYWHERE, Chance, Fault, Striking


class Short(Fault):
    """A fault that can be given as `true`, or as the one value of its parameter `_main`."""

    _main: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _read_short_form(cls, given: object) -> object:
        if given is True:
            return {}
        return {cls._main: given} if cls._main and isinstance(given, (int, float)) else given


class ShortStriking(Short, Striking):
    """The same for a fault that strikes by count or by chance; a number is the count."""

    _main: ClassVar[str] = "next"


class PortFault(Short):
    """Which of the two places is wrong: the port that is wanted, the one that is active. A new port heals it."""

    wanted: bool = True
    active: bool = True


class TargetPortNull(PortFault):
    """There is no ingress; `status` is what the data plane answers then, which nobody recorded."""

    status: Literal[404, 502] = 404


class WrongPort(PortFault):
    """Requests go to a port nobody listens on."""

    _main: ClassVar[str] = "port"

    port: int = Field(default=8080, ge=1, le=65_535)


class Unhealthy(Short):
    """The containers are in a state without end; `count` is how many are shown so. A new image heals it."""

    _main: ClassVar[str] = "count"

    count: int | None = Field(default=None, ge=1)


class Pending(Short):
    """The role works `seconds` after the fault was set, and only for tokens issued after that (`new_token`)."""

    _main: ClassVar[str] = "seconds"

    seconds: float = Field(default=45, ge=0)
    new_token: bool = True


class Slow(ShortStriking):
    """A new session takes `seconds` longer."""

    _main: ClassVar[str] = "seconds"

    seconds: float = Field(default=5, ge=0)


class PoolFaults(Fault):
    """All faults a pool can have at once."""

    NONE: ClassVar["PoolFaults"]

    target_port_null: TargetPortNull | None = None
    wrong_port: WrongPort | None = None
    piston_on_port: Short | None = None
    adapter_dead: Short | None = None
    crashing: Unhealthy | None = None
    image_pull_failed: Unhealthy | None = None
    not_ready: Unhealthy | None = None
    role_missing: Short | None = None
    role_pending: Pending | None = None
    full_404: Short | None = None
    full_429: Short | None = None
    bad_gateway: ShortStriking | None = None
    slow_allocation_s: Slow | None = None
    reply_lost: ShortStriking | None = None

    @property
    def kills(self) -> bool:
        """Whether no container of the pool is alive, allocated or not."""
        return self.adapter_dead is not None or self.crashing is not None

    @property
    def starts_nothing(self) -> bool:
        """Whether no new container comes up."""
        return self.kills or self.image_pull_failed is not None or self.not_ready is not None


PoolFaults.NONE = PoolFaults()
PORT_FAULTS = ("target_port_null", "wrong_port")
IMAGE_FAULTS = ("piston_on_port", "adapter_dead", "crashing", "image_pull_failed", "not_ready")

_plan = TypeAdapter(dict[str, dict[str, object]])


class FaultBox:
    """The faults that are set now, since when, and the seeded chance that decides."""

    def __init__(self, seed: int, counters: Counters) -> None:
        self._seed = seed
        self._counters = counters
        self.clear()

    def clear(self) -> None:
        """Nothing goes wrong any more; the chance starts over."""
        self._chance = Chance(self._seed, self._counters)
        self._pools: dict[str, PoolFaults] = {}
        self._since: dict[tuple[str, str], float] = {}

    def of(self, pool: str) -> PoolFaults:
        """The faults of a pool: its own, else those set for `*`."""
        return self._pools.get(pool.lower()) or self._pools.get(EVERYWHERE, PoolFaults.NONE)

    def add(self, plan: object, now: float) -> None:
        """Set the faults named in `plan`, those of null not any more; raises pydantic.ValidationError."""
        for spelled, named in _plan.validate_python(plan).items():
            pool = spelled.lower()
            changed = PoolFaults.model_validate({name: None if on is False else on for name, on in named.items()})
            fresh = {name: getattr(changed, name) for name in named}
            for name, fault in fresh.items():
                self._since[pool, name] = now
                if isinstance(fault, Fault):
                    fault.put_at(pool, name)
            self._keep(pool, fresh)

    def remove(self, pool: str, *names: str) -> None:
        """Take back some faults of a pool, or all of them."""
        pool = pool.lower()
        if names:
            self._keep(pool, dict.fromkeys(names))
        else:
            self._pools.pop(pool, None)

    def since(self, fault: Fault) -> float:
        """When a fault was set, in seconds since 1970."""
        return self._since[fault.place]

    def as_json(self) -> dict[str, dict[str, object]]:
        """What is set, with the counts that are left."""
        return {pool: faults.model_dump(exclude_none=True) for pool, faults in self._pools.items()}

    def strikes(self, fault: Striking | None) -> bool:
        """Whether `fault` strikes now; counts it."""
        return fault is not None and self._chance.strikes(fault)

    def _keep(self, pool: str, change: dict[str, object]) -> None:
        left = self._pools.get(pool, PoolFaults.NONE).model_copy(update=change)
        if left == PoolFaults.NONE:
            self._pools.pop(pool, None)
        else:
            self._pools[pool] = left
