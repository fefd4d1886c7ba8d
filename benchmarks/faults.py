"""What can be wrong at an Azure VM, how it is brought about, and what a diagnosis has to name then.

The causes and what each fault has to be called are taken from docs/azure-failures.md and docs/azure-conflict.md, and
were written before any diagnosis was made. A diagnosis is right when its sentence names the true cause and no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random

Faults = Mapping[str, object]


class Cause(StrEnum):
    """What may be the matter."""

    STUCK = "a command is shown as running and cannot end"
    FALSE_CONFLICT = "Azure refuses although nothing runs"
    FOREIGN = "somebody else's command runs"
    OURS = "our own command still runs"
    AGENT = "the guest agent is not ready"
    OFF = "the VM is not running"
    NO_POWER_STATE = "Azure does not tell the power state"
    THROTTLED = "Azure throttles"
    TROUBLE = "Azure has trouble of its own"
    LOST_REPLY = "the reply was lost"
    AGENT_SILENT = "the agent does not report"
    CUT_OFF = "cut off after 90 minutes"
    EXTENSION = "the extension failed"
    HANDLER = "the extension could not be enabled"
    UNPROVEN = "the output does not prove how it ended"
    NO_RIGHT = "the credential lacks a right"
    EXPIRED = "the token has expired"
    NO_TOKEN = "no token can be had"
    NO_ROOM = "25 run commands are there"
    NOT_THERE = "the VM is not there"
    EXTENSIONS_OFF = "the VM takes no extensions"


WORDS: Mapping[Cause, str] = {
    Cause.STUCK: r"cannot end any more",
    Cause.FALSE_CONFLICT: r"although none runs",
    Cause.FOREIGN: r"that is not ours runs on the VM|another one runs on the VM",
    Cause.OURS: r"our (own )?action run command of .* still runs?\b",
    Cause.AGENT: r"guest agent\b.* is not ready",
    Cause.OFF: r"\bVM (\S+ )?is (deallocated|deallocating|stopped|stopping)\b|needs it running",
    Cause.NO_POWER_STATE: r"does not tell the (VM's )?power state",
    Cause.THROTTLED: r"throttles|asked for patience|too many requests",
    Cause.TROUBLE: r"answered 503\b|trouble of its own",
    Cause.LOST_REPLY: r"connection was lost|gave no answer|no reply",
    Cause.AGENT_SILENT: r"stopped reporting|has not reported",
    Cause.CUT_OFF: r"90 minutes",
    Cause.EXTENSION: r"failure of the run command extension|reported a failure when processing|extension failed",
    Cause.HANDLER: r"could not be (installed or )?enabled|terminal failure",
    Cause.UNPROVEN: r"does not bear this attempt's mark",
    Cause.NO_RIGHT: r"may not Microsoft\.Compute|does not have authorization|permission denied",
    Cause.EXPIRED: r"token (has expired|is expired|expiry)|expired",
    Cause.NO_TOKEN: r"Entra ID (gives|gave) no token",
    Cause.NO_ROOM: r"\b25\b.*run commands|run commands.*\b25\b|has been exceeded",
    Cause.NOT_THERE: r"was not found|no such resource|deleted, moved",
    Cause.EXTENSIONS_OFF: r"does not allow extensions|allowExtensionOperations is false",
}
"""The words that name a cause in a sentence."""

INCLUDED: Mapping[Cause, frozenset[Cause]] = {
    Cause.STUCK: frozenset({Cause.CUT_OFF}),  # it says for how long a command may run
}
"""Causes whose words may stand in the explanation of another."""


def named(sentence: str) -> frozenset[Cause]:
    """The causes that a sentence names."""
    found = {cause for cause, words in WORDS.items() if re.search(words, sentence, re.IGNORECASE)}
    return frozenset(found - {inner for cause in found for inner in INCLUDED.get(cause, ())})


class Until(StrEnum):
    """What has to be seen at a step before it is diagnosed."""

    TOLD = "told"  # its execution has a reason, or the step has ended
    RUNNING = "running"  # its execution was seen running


MANAGED, ACTION, EITHER = ("azure_vm",), ("azure_vm_action",), ("azure_vm", "azure_vm_action")


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, and what is done until it shows.

    `by` are the connectors that a step meets it through; none: no step is run. `at_target`: it can be seen without the
    step, so that in every other seed the target is diagnosed, and not the session. `passing`: it is over when the
    session is diagnosed. `slow_token`: tokens take their time. `settings` are those of
    the target, beside the quick ones.
    """

    name: str
    cause: Cause | None  # None: nothing may be claimed
    faults: Callable[[Random], Faults]
    by: tuple[str, ...] = EITHER
    at_target: bool = True
    passing: bool = False
    until: Until = Until.TOLD
    slow_token: bool = False
    settings: Mapping[str, float] | None = None


IN_DOUBT: Mapping[str, float] = {"visibility_delay": 60}
"""So that nothing is decided before the diagnosis is made."""
STARTING = ["command_put", "run_command"]


def _always(**faults: object) -> Callable[[Random], Faults]:
    return lambda _: faults


def _failing(code: str, by: tuple[str, ...]) -> Callable[[Random], Faults]:
    """An operation that fails; with an action run command, the script may have run all the same. A managed one whose
    script ran has an exit code, and is told as what it is: done."""
    return lambda chance: {"operation_fails": {"code": code, "runs": by == ACTION and chance.random() < 0.5}}


def _fails(code: str, cause: Cause) -> tuple[Case, Case]:
    managed, action = _failing(code, MANAGED), _failing(code, ACTION)
    return (
        Case(f"operation_fails: {code} (managed)", cause, managed, MANAGED, at_target=False),
        Case(f"operation_fails: {code} (action)", cause, action, ACTION, at_target=False),
    )


CASES = (
    Case("nothing", None, _always()),
    Case("token_expired_once", None, _always(token_expired={"next": 1}), at_target=False),
    Case("power_state_missing_once", None, _always(power_state_missing={"next": 1}), by=()),
    Case("stuck_v1", Cause.STUCK, lambda c: {"stuck_v1": {"age_minutes": c.randint(91, 3000)}}, ACTION),
    Case(
        "false_conflict",
        Cause.FALSE_CONFLICT,
        lambda c: {"false_conflict": {"status": c.choice(["succeeded", "failed"])}},
        ACTION,
    ),
    Case(
        "foreign_command",
        Cause.FOREIGN,
        lambda c: {"foreign_command": {"age_minutes": c.randint(1, 85), "managed": c.random() < 0.5}},
        ACTION,
    ),
    Case("agent_not_ready", Cause.AGENT, _always(agent_not_ready={})),
    Case("deallocated", Cause.OFF, _always(deallocated={})),
    Case("power_state_missing", Cause.NO_POWER_STATE, _always(power_state_missing={}), passing=True),
    Case("throttled", Cause.THROTTLED, lambda c: {"throttled": {"seconds": c.randint(60, 600)}}, passing=True),
    Case(
        "unavailable_once (at the start)",
        Cause.TROUBLE,
        _always(unavailable_once={"calls": STARTING}),
        at_target=False,
        settings=IN_DOUBT,
    ),
    Case("unavailable_once (at a look)", Cause.TROUBLE, _always(unavailable_once={"calls": ["vm_get"]}), by=()),
    Case(
        "reply_lost",
        Cause.LOST_REPLY,
        _always(reply_lost={"calls": STARTING}),
        at_target=False,
        settings=IN_DOUBT,
    ),
    Case("operation_never_ends", Cause.OURS, _always(operation_never_ends={}), ACTION, until=Until.RUNNING),
    *_fails("VMAgentStatusCommunicationError", Cause.AGENT_SILENT),
    *_fails("VMExtensionProvisioningTimeout", Cause.CUT_OFF),
    *_fails("VMExtensionProvisioningError", Cause.EXTENSION),
    *_fails("VMExtensionHandlerNonTransientError", Cause.HANDLER),
    *_fails("VMExtensionStatusNotReported", Cause.AGENT_SILENT),
    Case(
        "output_truncated",
        Cause.UNPROVEN,
        lambda c: {"output_truncated": {"bytes": c.randint(0, 30)}},
        ACTION,
        at_target=False,
    ),
    Case(
        "stale_output",
        Cause.UNPROVEN,
        lambda c: {"stale_output": {"output": f"old {c.random()}", "runs": c.random() < 0.5}},
        ACTION,
        at_target=False,
    ),
    Case("forbidden", Cause.NO_RIGHT, _always(forbidden={})),
    Case("token_expired", Cause.EXPIRED, _always(token_expired={"next": None})),
    Case("slow_token", Cause.NO_TOKEN, _always(), (), slow_token=True, settings={"request_timeout": 0.5}),
    Case("limit_25", Cause.NO_ROOM, _always(limit_25={}), MANAGED),
    Case("vm_missing", Cause.NOT_THERE, _always(vm_missing={})),
    Case("extension_operations_off", Cause.EXTENSIONS_OFF, _always(extension_operations_off={})),
)
"""All faults of the simulated Azure that a command can meet; the first three are no faults, or cured unnoticed."""
