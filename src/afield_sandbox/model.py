"""What is asked of a jail, and what comes back. Pure data; refuses bad input when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from afield_sandbox.errors import BadSubmissionError

MIB = 1024 * 1024
_MAX_FILES = 1000
_MAX_BYTES = 64 * MIB
_MAX_ARGS = 1000


class Verdict(StrEnum):
    """What became of a run."""

    OK = "ok"
    RUNTIME_ERROR = "runtime_error"
    SIGNAL = "signal"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    COMPILE_ERROR = "compile_error"
    INTERNAL_ERROR = "internal_error"


class Stage(StrEnum):
    """Which of the two steps of a submission this is."""

    COMPILE = "compile"
    RUN = "run"


class Stream(StrEnum):
    """Where a piece of output came from."""

    STDOUT = "stdout"
    STDERR = "stderr"


def _require(condition: bool, name: str, range_: str) -> None:
    if not condition:
        raise BadSubmissionError(f"The limit {name} is out of range.", hint=f"Allowed: {range_}.")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use. Seconds and bytes. `cpu_s` and `processes` (threads count too) are for the whole run,
    `output_bytes` is for each stream, `file_bytes` for each file.

    Raises BadSubmissionError for a limit that no run could live with.
    """

    wall_s: float = 5.0
    cpu_s: float = 5.0
    memory_bytes: int = 256 * MIB
    processes: int = 64
    open_files: int = 256
    file_bytes: int = 16 * MIB
    output_bytes: int = MIB
    stack_bytes: int = 64 * MIB

    def __post_init__(self) -> None:
        _require(0 < self.wall_s <= 3600, "wall_s", "more than 0, at most 3600")
        _require(0 < self.cpu_s <= 3600, "cpu_s", "more than 0, at most 3600")
        _require(self.memory_bytes >= 16 * MIB, "memory_bytes", "at least 16 MiB")
        _require(1 <= self.processes <= 4096, "processes", "1 to 4096")
        _require(16 <= self.open_files <= 65536, "open_files", "16 to 65536")
        _require(self.file_bytes >= 0, "file_bytes", "0 or more")
        _require(0 <= self.output_bytes <= 256 * MIB, "output_bytes", "0 to 256 MiB")
        _require(self.stack_bytes >= 64 * 1024, "stack_bytes", "at least 64 KiB")


COMPILE_LIMITS = Limits(
    wall_s=20.0, cpu_s=20.0, memory_bytes=1024 * MIB, processes=128, open_files=1024, file_bytes=64 * MIB
)


@dataclass(frozen=True, slots=True)
class File:
    """A file in the work folder: a relative path without `..`, and what is in it.

    Raises BadSubmissionError for a name that leads elsewhere or that no file system takes.
    """

    name: str
    content: bytes
    executable: bool = False

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.name).parts
        if not parts or self.name.startswith("/") or ".." in parts or "\0" in self.name or self.name.endswith("/"):
            raise BadSubmissionError(f"{self.name!r} is no file name.", hint="Use a relative path without '..'.")
        if len(parts) > 16 or any(len(part.encode("utf-8", "surrogatepass")) > 255 for part in parts):
            raise BadSubmissionError("A file name is too long.", hint="At most 16 folders, 255 bytes each.")
        if any("\ud800" <= letter <= "\udfff" for letter in self.name):
            raise BadSubmissionError("A file name is not valid Unicode.", hint="Remove lone surrogates.")


@dataclass(frozen=True, slots=True)
class Submission:
    """Code to run. The first file is the main one; all are written into a new, empty work folder.

    Raises BadSubmissionError when there are no files, too many, or two of one name.
    """

    language: str
    files: tuple[File, ...]
    stdin: bytes = b""
    args: tuple[str, ...] = ()
    limits: Limits = Limits()
    compile_limits: Limits = COMPILE_LIMITS

    def __post_init__(self) -> None:
        if not self.files:
            raise BadSubmissionError("There is no file to run.", hint="Send at least one file.")
        names = [str(PurePosixPath(file.name)) for file in self.files]
        if len(set(names)) != len(names):
            raise BadSubmissionError("Two files have the same name.", hint="Give each file a name of its own.")
        if len(names) > _MAX_FILES or sum(len(file.content) for file in self.files) > _MAX_BYTES:
            raise BadSubmissionError("There is too much to run.", hint="At most 1000 files and 64 MiB in all.")
        if len(self.args) > _MAX_ARGS or any("\0" in arg for arg in self.args):
            raise BadSubmissionError("The arguments cannot be passed on.", hint="At most 1000, none with a NUL byte.")

    @classmethod
    def of(
        cls, language: str, code: str | bytes, *, name: str = "", stdin: bytes = b"", limits: Limits | None = None
    ) -> Submission:
        """The common case: one file. Without a name it gets the usual one of the language."""
        content = code.encode("utf-8", "surrogatepass") if isinstance(code, str) else code
        return cls(language, (File(name or "main", content),), stdin=stdin, limits=limits or Limits())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run.

    `exit_code` is None when the program did not end by itself; 0 stays 0. `signal` is a name such as SIGSEGV.
    `merged` holds both streams in the order in which they arrived. `memory_bytes` is the most the run used at once,
    None where the host cannot tell. `message` is the jail's own word on the verdict; the program's output never
    holds it. `compile` is the outcome of the compilation before a run, None for languages without one.
    """

    verdict: Verdict
    stage: Stage = Stage.RUN
    exit_code: int | None = None
    signal: str | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    merged: bytes = b""
    wall_s: float = 0.0
    cpu_s: float | None = None
    memory_bytes: int | None = None
    message: str = ""
    files: Mapping[str, File] = field(default_factory=dict)
    compile: Outcome | None = None

    @property
    def ok(self) -> bool:
        return self.verdict is Verdict.OK


@dataclass(frozen=True, slots=True)
class Program:
    """A submission that is ready to run any number of times, or whose compilation failed.

    `compiled` is the outcome of the compilation, None for languages that have none.
    """

    submission: Submission
    files: tuple[File, ...]
    compiled: Outcome | None = None

    @property
    def ready(self) -> bool:
        return self.compiled is None or self.compiled.ok
