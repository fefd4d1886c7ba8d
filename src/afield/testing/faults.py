"""What can go wrong at a remote system, by name, and how often it is still to happen."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

_ALWAYS = 1_000_000_000


class Fault(StrEnum):
    """One way in which a remote system, or the way to it, lets its caller down."""

    REPLY_LOST = "reply_lost"  # the submission is accepted, its reply never arrives
    REQUEST_LOST = "request_lost"  # the submission never arrives, and the caller cannot tell
    THROTTLED = "throttled"  # the submission is turned away: too many requests
    THROTTLED_WITH_PATIENCE = "throttled_with_patience"  # ... and told how long to wait
    LISTING_CUT = "listing_cut"  # a listing breaks off and does not show all there is
    SLOW_TO_SHOW = "slow_to_show"  # a new execution is not shown for nearly the longest visibility delay
    DENIED = "denied"  # the credential is refused, whatever is asked
    REJECTED = "rejected"  # the submission is refused for good
    UNKNOWN_WORD = "unknown_word"  # listings show a status nobody knows
    CANCEL_TOO_LATE = "cancel_too_late"  # a request to cancel is answered: it has ended
    OUTPUT_AWAY = "output_away"  # the output cannot be had for now


class Faults:
    """The faults that are switched on, and for how many more times."""

    def __init__(self) -> None:
        self._left: Counter[Fault] = Counter()

    def arm(self, fault: Fault, times: int | None = 1) -> None:
        """Let it happen so many times; None: until it is cleared."""
        self._left[fault] = _ALWAYS if times is None else times

    def clear(self) -> None:
        self._left.clear()

    def happens(self, fault: Fault) -> bool:
        """Whether it happens now; uses up one time."""
        if self._left[fault] <= 0:
            return False
        self._left[fault] -= 1
        return True
