"""What can be made to go wrong when a token is asked for."""

from pydantic import Field

from ..striking import Fault


class Counted(Fault):
    """A fault that strikes the `next` requests; without a number, all of them."""

    next: int | None = Field(default=None, ge=0)

    def strikes(self) -> bool:
        """Whether it strikes this request; counts it."""
        if self.next == 0:
            return False
        if self.next is not None:
            self.next -= 1
        return True


class SlowToken(Counted):
    """An answer that takes `seconds`."""

    seconds: float = Field(default=1, ge=0, le=300)


class WrongAudience(Counted):
    """A token for another resource than was asked for."""

    audience: str = "https://graph.microsoft.com"


class EntraFaults(Fault):
    """All faults at once, of the token endpoint and of the managed identity.

    `unavailable` answers 503; `expired` issues tokens that are over although the answer promises their full life.
    """

    slow: SlowToken | None = None
    unavailable: Counted | None = None
    expired: Counted | None = None
    wrong_audience: WrongAudience | None = None
