"""What Azure's errors mean, in one sentence, and what to do about each. Pure. docs/azure-failures.md lists them.

Codes alone do not decide: `OperationNotAllowed` stands for a throttled call as well as for a VM that is off. So the
status of the reply is looked at first, then the code, then the message.
Source: Microsoft Learn, troubleshooting of ARM requests and of the VM agent; run-command; public reports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from afield.connectors.azure.permissions import denied_action


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something failed, and what to do next; the first sentence of `next_step` is the main one."""

    sentence: str
    next_step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """One known error. `status` 0 stands for an operation that was accepted and failed later."""

    status: int
    code: str = ".*"
    message: str = ""
    cause: Cause


_AGENT = "Look at the agent's log in the VM and its way out to Azure on port 443. Then restart the agent, or the VM."
_START = "Start the VM and send the command again."

_KNOWN = (
    _Known(
        status=401,
        code="ExpiredAuthenticationToken",
        cause=Cause(
            "Azure says that the access token has expired.",
            "Compare this machine's clock with the right time; if it is right, ask again with a new token.",
        ),
    ),
    _Known(
        status=401,
        code="InvalidAuthenticationTokenAudience",
        cause=Cause(
            "The access token was made for another service or another cloud.",
            "Check management_url and authority_url: both have to belong to the same cloud.",
        ),
    ),
    _Known(
        status=401,
        cause=Cause(
            "Azure does not accept the access token.",
            "Check tenant_id and client_id of the credential, and that authority_url belongs to the VM's cloud.",
        ),
    ),
    _Known(
        status=404,
        code="SubscriptionNotFound",
        cause=Cause(
            "Azure knows no such subscription, or hides it from this credential.",
            "Compare the subscription in the id with the portal, and check the credential's tenant.",
        ),
    ),
    _Known(
        status=404,
        code="ResourceGroupNotFound",
        cause=Cause(
            "Azure knows no such resource group.", "Compare the resource group in resource_id with the portal."
        ),
    ),
    _Known(
        status=404,
        cause=Cause(
            "Azure knows no such resource: the VM was deleted, moved, or its id is misspelt.",
            "Compare resource_id with the VM's page in the portal.",
        ),
    ),
    _Known(
        status=409,
        code="Conflict",
        cause=Cause(
            "Conflict: Azure refuses an action run command while one is in progress, or is believed to be.",
            "Look at the conflict's evidence: the ladder's rung `conflict` tells a command that runs from one that is "
            "only shown.",
        ),
    ),
    _Known(
        status=409,
        message="not running|VM to be running|deallocated",
        cause=Cause("The VM is not running, so Azure refuses commands for it.", _START),
    ),
    _Known(
        status=409,
        message="in progress|ongoing operation",
        cause=Cause(
            "Another operation on the VM is in progress.",
            "Wait until it has ended; the VM's activity log shows who started it.",
        ),
    ),
    _Known(
        status=409,
        message="allowExtensionOperations",
        cause=Cause(
            "The VM does not allow extensions, which run commands are.",
            "Set osProfile.allowExtensionOperations of the VM to true.",
        ),
    ),
    _Known(
        status=409,
        message="maximum number of managed Run commands|has been exceeded",
        cause=Cause(
            "The VM holds as many managed run commands as Azure allows (25); those that have ended count.",
            "Delete run commands that have ended.",
        ),
    ),
    _Known(
        status=429,
        cause=Cause(
            "Azure throttles this caller: it made more calls than it may.",
            "Wait as long as Azure asks, and lower calls_per_minute of the targets that share the credential.",
        ),
    ),
    _Known(
        status=0,
        code="VMAgentStatusCommunicationError",
        cause=Cause("The VM's agent has not reported for a long time, so the command never came to an end.", _AGENT),
    ),
    _Known(
        status=0,
        code="VMExtensionProvisioningTimeout",
        cause=Cause(
            "The command was cut off after the 90 minutes that Azure gives an action run command.",
            "Run it as a managed run command, with a time-out of its own.",
        ),
    ),
    _Known(
        status=0,
        code="VMExtensionProvisioningError",
        cause=Cause(
            "The VM reported that the extension failed. Old Windows handlers say so when a script ends with an error.",
            "Look at the script's own output; run it as a managed run command to see its exit code.",
        ),
    ),
    _Known(
        status=0,
        code="VMExtensionHandlerNonTransientError",
        cause=Cause(
            "The extension that runs commands could not be installed or enabled on the VM.",
            "Look at its log in the VM, remove the extension and send the command again.",
        ),
    ),
    _Known(
        status=0,
        message="has not reported latest status for extension",
        cause=Cause("The VM's agent lags behind: it has not told what became of the command.", _AGENT),
    ),
)

OPERATION_CODES = tuple(known.code for known in _KNOWN if known.status == 0 and known.code != ".*")
"""The codes with which an accepted operation is known to fail."""


def explain(status: int, code: str, message: str) -> Cause:
    """What an error means. `status` is that of the reply, 0 for an operation that failed after it was accepted."""
    if status == 403:
        return _forbidden(message)
    found = next((known for known in _KNOWN if _fits(known, status, code, message)), None)
    if found is not None:
        return found.cause
    if status >= 500:
        return Cause(f"Azure has trouble of its own: it answered {status}.", "Ask again in a few minutes.")
    said = f"{code}: {message}".strip(": ")[:200] or "an empty body"
    how = f"Azure answered {status}" if status else "The operation failed"
    return Cause(f"{how}: {said}.", "Look the code up in Azure's documentation of run commands.")


def _forbidden(message: str) -> Cause:
    action = denied_action(message)
    sentence = f"Permission denied: the credential may not {action}." if action else "Permission denied by Azure."
    return Cause(
        sentence,
        "Assign the role Virtual Machine Contributor, or one with this action, on the VM to the credential. A new "
        "assignment takes some minutes to count. A resource group that does not exist is answered the same way.",
    )


def _fits(known: _Known, status: int, code: str, message: str) -> bool:
    same = known.status == status and re.fullmatch(known.code, code, re.IGNORECASE) is not None
    return same and re.search(known.message, message, re.IGNORECASE) is not None
