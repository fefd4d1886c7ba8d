"""What can be made to go wrong, and the box that says when it does.

Striking faults strike by count or by chance (`striking`); the others hold as long as they are set.
"""

from typing import ClassVar, Literal

from pydantic import Field, TypeAdapter

from ..counters import Counters
from ..striking import EVERYWHERE, Chance, Fault, Striking

Call = Literal[
    "create", "get", "list", "cancel", "delete", "download_urls", "download",
    "workflows", "schedules", "instances", "accounts", "data_sources", "login",
]  # fmt: skip
LOGIN = "login"


class Calls(Striking):
    """A striking fault limited to some kinds of calls."""

    calls: tuple[Call, ...] = ("create",)


class Visibility(Fault):
    """A new execution stays hidden for some seconds, to get and to list separately."""

    get_seconds: float = Field(default=0, ge=0)
    list_seconds: float = Field(default=0, ge=0)


class Throttled(Calls):
    """429; `accepted` says whether the work was done all the same."""

    accepted: bool = False
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    seconds: float = Field(default=1, ge=0)


class ServerError(Calls):
    """500, 502, 503 or 504; `accepted` says whether the work was done all the same."""

    accepted: bool = False
    status: Literal[500, 502, 503, 504] = 500


class Denied(Calls):
    """401 or 403 although the credentials are right."""

    status: Literal[401, 403] = 401


class Slow(Calls):
    """An answer that takes its time, before the work is done or (`accepted`) after."""

    seconds: float = Field(default=1, ge=0)
    accepted: bool = False


class UnknownId(Fault):
    """The status for an id that is not visible, in place of the instance's setting."""

    status: Literal[400, 404] = 404


class Rejected(Striking):
    """The execution ends REJECTED."""

    reason: str = "The query was refused when it was about to run."


class Failed(Striking):
    """The execution ends FAILED after its running time."""

    reason: str = "An internal error stopped the execution."


class TooManyRuns(Fault):
    """REJECTED once more than `limit` executions with overlapping windows ran on the instance."""

    limit: int = Field(ge=0)


class UnknownStatus(Striking):
    """Shows `word` wherever the true status is one of `instead_of`; decided at create."""

    word: str = "ON_HOLD"
    instead_of: list[str] = Field(default_factory=lambda: ["RUNNING"])


class DownloadNotReady(Fault):
    """Download URLs are refused until `seconds` after success."""

    seconds: float = Field(ge=0)
    status: Literal[400, 404] = 404


class DownloadCut(Striking):
    """The connection breaks after `after_bytes` bytes of the file."""

    after_bytes: int = Field(default=10, ge=0)


class ResultFiles(Fault):
    """The result is split over exactly `count` files."""

    count: int = Field(ge=1, le=5)


class SecondsFault(Fault):
    """A fault that is only a number of seconds."""

    seconds: float


class ListFails(Striking):
    """Page number `page` (from 1) of a listing answers `status`."""

    page: int = Field(default=1, ge=1)
    status: Literal[429, 500, 503, 504] = 500


class ListCut(Striking):
    """The connection breaks in the middle of page number `page` (from 1)."""

    page: int = Field(default=1, ge=1)


class InstanceFaults(Fault):
    """All faults an instance can have at once."""

    NONE: ClassVar["InstanceFaults"]

    visibility: Visibility | None = None
    request_lost: Calls | None = None
    reply_lost: Calls | None = None
    throttled: Throttled | None = None
    server_error: ServerError | None = None
    unreadable: Calls | None = None
    denied: Denied | None = None
    slow: Slow | None = None
    unknown_id: UnknownId | None = None
    wrapped: Calls | None = None
    duplicated: Striking | None = None
    rejected: Rejected | None = None
    failed: Failed | None = None
    too_many_runs: TooManyRuns | None = None
    unknown_status: UnknownStatus | None = None
    cancel_ignored: Striking | None = None
    download_not_ready: DownloadNotReady | None = None
    download_cut: DownloadCut | None = None
    result_files: ResultFiles | None = None
    empty_result: Striking | None = None
    url_expiry: SecondsFault | None = None
    clock_skew: SecondsFault | None = None
    list_fails: ListFails | None = None
    list_cut: ListCut | None = None


InstanceFaults.NONE = InstanceFaults()


class LoginFaults(Fault):
    """Faults of the token endpoint; `expired_status` is what expired access tokens are answered."""

    NONE: ClassVar["LoginFaults"]

    request_lost: Striking | None = None
    throttled: Throttled | None = None
    server_error: ServerError | None = None
    unreadable: Striking | None = None
    slow: Slow | None = None
    invalid_grant: Striking | None = None
    invalid_client: Striking | None = None
    no_refresh_token: Striking | None = None
    expires_in_text: Striking | None = None
    expired_status: Literal[401, 403] | None = None


LoginFaults.NONE = LoginFaults()

_instance_faults = TypeAdapter(dict[str, InstanceFaults])


class FaultBox:
    """The faults that are set now, and the seeded chance that decides."""

    def __init__(self, seed: int, counters: Counters) -> None:
        self._seed = seed
        self._counters = counters
        self.clear()

    def clear(self) -> None:
        """Nothing goes wrong any more; the chance starts over."""
        self._chance = Chance(self._seed, self._counters)
        self._instances: dict[str, InstanceFaults] = {}
        self.login = LoginFaults.NONE

    def of(self, instance_id: str) -> InstanceFaults:
        """The faults of an instance: its own, else those set for `*`."""
        if not self._instances:
            return InstanceFaults.NONE
        return self._instances.get(instance_id) or self._instances.get(EVERYWHERE, InstanceFaults.NONE)

    def put(self, plan: dict[str, object]) -> None:
        """Set the faults of every instance named in `plan`; raises pydantic.ValidationError."""
        login = LoginFaults.model_validate(plan[LOGIN]) if LOGIN in plan else self.login
        checked = _instance_faults.validate_python({k: v for k, v in plan.items() if k != LOGIN})
        for key, faults in (*checked.items(), (LOGIN, login)):
            for name, fault in faults:
                if isinstance(fault, Fault):
                    fault.put_at(key, name)
        self._instances.update(checked)
        self.login = login

    def add(self, plan: dict[str, object]) -> None:
        """Like put, but faults not named in `plan` stay as they are."""
        now = self.as_json()
        merged: dict[str, object] = {}
        for key, faults in plan.items():
            merged[key] = {**now.get(key, {}), **faults} if isinstance(faults, dict) else faults
        self.put(merged)

    def remove(self, instance_id: str, fault: str | None = None) -> None:
        """Take back one fault of an instance, or all of them."""
        left = self.as_json().get(instance_id, {})
        if fault is not None:
            left.pop(fault, None)
            self.put({instance_id: left})
        elif instance_id == LOGIN:
            self.login = LoginFaults.NONE
        else:
            self._instances.pop(instance_id, None)

    def as_json(self) -> dict[str, dict[str, object]]:
        """What is set, with the counts that are left."""
        plan: dict[str, InstanceFaults | LoginFaults] = {**self._instances, LOGIN: self.login}
        return {key: faults.model_dump(exclude_none=True) for key, faults in plan.items()}

    def strikes(self, fault: Striking | None, call: Call | None = None) -> bool:
        """Whether `fault` strikes this call; counts it."""
        if fault is None or (call is not None and isinstance(fault, Calls) and call not in fault.calls):
            return False
        return self._chance.strikes(fault)
