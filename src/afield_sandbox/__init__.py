"""Running code nobody trusts: the jail that a session container, or this machine, runs it in.

Depends on the standard library and the Linux kernel alone.
"""

from afield_sandbox.errors import (
    BadSubmissionError,
    BusyError,
    ClosedError,
    SandboxError,
    TooWeakError,
    UnknownLanguageError,
    WorkerLostError,
)
from afield_sandbox.host import HostProtections, Level
from afield_sandbox.jail import Jail, JailSettings, LocalJail
from afield_sandbox.keeper.run import OnOutput, Run
from afield_sandbox.languages import Language
from afield_sandbox.model import (
    COMPILE_LIMITS,
    File,
    Limits,
    Outcome,
    Program,
    Stage,
    Stream,
    Submission,
    Verdict,
)

__all__ = [
    "COMPILE_LIMITS",
    "BadSubmissionError",
    "BusyError",
    "ClosedError",
    "File",
    "HostProtections",
    "Jail",
    "JailSettings",
    "Language",
    "Level",
    "Limits",
    "LocalJail",
    "OnOutput",
    "Outcome",
    "Program",
    "Run",
    "SandboxError",
    "Stage",
    "Stream",
    "Submission",
    "TooWeakError",
    "UnknownLanguageError",
    "Verdict",
    "WorkerLostError",
]
