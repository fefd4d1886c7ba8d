"""The rungs that any machine with a runner has: what it needs to have, and to let its user do. They only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from afield.clock import Clock
from afield.connectors.base import Check, CheckResult, CheckVerdict
from afield.connectors.runner.machine import LostError, Machine, NotReachedError
from afield.connectors.runner.spec import RunnerAddress
from afield.connectors.runner.wire import parse_facts
from afield.errors import CredentialError

_WORTH_A_WORD_S = 30
_LITTLE_KB = 100 * 1024
Facts = Mapping[str, Sequence[str]]


def checks(machine: Machine, address: RunnerAddress, clock: Clock, *, needs: tuple[str, ...] = ()) -> Sequence[Check]:
    """The rungs above a login. `needs` are the rungs they stand on."""
    rungs = _Rungs(machine, address, clock)
    return (
        Check(name="runner", probe=rungs.runner, needs=needs),
        Check(name="state_dir", probe=rungs.state_dir, needs=("runner",)),
        Check(name="space", probe=rungs.space, needs=("runner",)),
        Check(name="clock", probe=rungs.clock, needs=("runner",)),
    )


class _Rungs:
    """The probes. Each asks the machine once."""

    def __init__(self, machine: Machine, address: RunnerAddress, clock: Clock) -> None:
        self._machine = machine
        self._address = address
        self._clock = clock

    async def _facts(self, asked: str) -> Facts | CheckResult:
        try:
            answer = await self._machine.call("facts", self._address.state_dir, self._address.shell)
        except CredentialError as error:
            return _fail(asked, error.message, error.message, error.hint)
        except (NotReachedError, LostError) as error:
            return CheckResult(
                verdict=CheckVerdict.COULD_NOT_LOOK,
                asked=asked,
                answered=str(error),
                next_step="Check that the machine is up and can be reached, then ask again.",
                cause="The machine does not answer.",
            )
        facts = parse_facts(answer)
        if facts is None:
            step = "The user's login shell has to be a POSIX shell, and must not end by itself."
            return _fail(asked, answer[:200].decode("utf-8", "replace"), "The login shell runs no command.", step)
        return facts

    async def runner(self) -> CheckResult:
        asked = f"the tools a script's keeper needs, and {self._address.shell}"
        facts = await self._facts(asked)
        if isinstance(facts, CheckResult):
            return facts
        missing = [*facts.get("missing", ())]
        if facts.get("system") != ["Linux"]:
            missing.append("Linux")
        if not missing:
            user = "".join(facts.get("user", ()))
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=f"all there, for user {user}")
        names = ", ".join(missing)
        step = "Install it, or correct `shell` in the target's address."
        return _fail(asked, f"missing: {names}", f"The machine lacks {names}.", step)

    async def state_dir(self) -> CheckResult:
        folder = self._address.state_dir
        asked = f"whether {folder}, or the folder it will be made in, can be written (test -w)"
        facts = await self._facts(asked)
        if isinstance(facts, CheckResult):
            return facts
        there = "".join(facts.get("folder", ()))
        if "writable" in facts:
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=f"{there} can be written")
        step = "Give the user the right to write there, or set `state_dir` in the target's address."
        return _fail(asked, f"{there} cannot be written", f"The user may not write to {there}.", step)

    async def space(self) -> CheckResult:
        asked = f"free space for {self._address.state_dir} (df)"
        facts = await self._facts(asked)
        if isinstance(facts, CheckResult):
            return facts
        free = "".join(facts.get("free_kb", ()))
        if not free.isdecimal():
            return CheckResult(verdict=CheckVerdict.COULD_NOT_LOOK, asked=asked, answered="df says nothing readable")
        answered = f"{int(free) // 1024} MiB free"
        if int(free) >= _LITTLE_KB:
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=answered)
        return CheckResult(
            verdict=CheckVerdict.WARN if int(free) else CheckVerdict.FAIL,
            asked=asked,
            answered=answered,
            next_step="Make room on the machine: scripts and their outputs are kept there until they are collected.",
            cause="The disk of the machine is full, or nearly.",
        )

    async def clock(self) -> CheckResult:
        asked = "the machine's clock, against this one"
        facts = await self._facts(asked)
        if isinstance(facts, CheckResult):
            return facts
        now = "".join(facts.get("time", ()))
        if not now.isdecimal():
            return CheckResult(verdict=CheckVerdict.COULD_NOT_LOOK, asked=asked, answered="no time")
        ahead = (datetime.fromtimestamp(int(now), UTC) - self._clock.now()).total_seconds()
        answered = f"{abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
        if abs(ahead) <= _WORTH_A_WORD_S:
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=answered)
        return CheckResult(
            verdict=CheckVerdict.WARN,
            asked=asked,
            answered=answered,
            next_step="Set the machine's clock by NTP. Only the times shown depend on it.",
            cause=f"The clocks differ by {abs(ahead):.0f} s.",
        )


def _fail(asked: str, answered: str, cause: str, next_step: str) -> CheckResult:
    return CheckResult(verdict=CheckVerdict.FAIL, asked=asked, answered=answered, next_step=next_step, cause=cause)
