"""What the jail's two sides say to each other: the keeper outside, the nursery inside. Pure.

Jobs go over a stream, length first; everything else is one JSON object a packet.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field

from afield_sandbox.model import File, Limits

CODE_FOLDER = "/box/code"
PACKET = 64 * 1024


@dataclass(frozen=True, slots=True)
class NurserySettings:
    """How the nursery is built. `user`: who it becomes outside (uid and gid), None to stay who it is.

    `binds` are shown read-only at their own place, `links` made, `without` names protections that are left out.
    """

    binds: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    user: tuple[int, int] | None
    scratch_bytes: int
    scratch_files: int
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """What a waiting worker is told to do. `command` is empty for Python: the worker itself runs the first file.

    `address_space` says whether memory is limited by RLIMIT_AS.
    """

    main: str
    args: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    limits: Limits
    address_space: bool = False
    files: tuple[File, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Watch:
    """What the worker's init is told when a job starts: limits that need someone watching. Bytes and seconds.

    `keep` asks for the files that are left, up to so many bytes of them; 0 for none.
    """

    cpu_s: float
    memory_bytes: int | None
    keep: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """How the first process ended, and what the run used. `why` is set when the init ended it: cpu, memory, stop.

    `error` is set when the worker could not start the job: nothing of the submission ran.
    """

    status: int
    cpu_s: float
    resident_bytes: int
    why: str = ""
    out_of_memory: bool = False
    error: str = ""
    files: tuple[tuple[str, int, bool], ...] = ()


def pack(message: object) -> bytes:
    """A packet."""
    return json.dumps(message, separators=(",", ":")).encode()


def unpack(packet: bytes) -> dict[str, object]:
    """A packet's object. Raises ValueError when it is none."""
    message = json.loads(packet)
    if not isinstance(message, dict):
        raise TypeError("a packet has to hold an object")
    return message


def pack_settings(settings: NurserySettings) -> bytes:
    """The settings, as a packet."""
    return pack(asdict(settings))


def unpack_settings(packet: bytes) -> NurserySettings:
    """The settings of a packet."""
    message = json.loads(packet)
    message["links"] = tuple((link, target) for link, target in message["links"])
    message["user"] = tuple(message["user"]) if message["user"] else None
    return NurserySettings(**message)


def pack_job(job: Job) -> bytes:
    """A job as it goes over the stream."""
    head = asdict(job) | {"files": [(file.name, len(file.content), file.executable) for file in job.files]}
    body = pack(head)
    return b"".join([len(body).to_bytes(4, "big"), body, *(file.content for file in job.files)])


def read_job(read: Callable[[int], bytes]) -> Job:
    """The job that comes next; `read` gives exactly as many bytes as are asked for, or raises EOFError."""
    head = json.loads(read(int.from_bytes(read(4), "big")))
    files = tuple(File(name, read(size), executable) for name, size, executable in head["files"])
    limits = Limits(**head["limits"])
    tuples = {name: tuple(head[name]) for name in ("args", "command")}
    return Job(**(head | tuples | {"files": files, "limits": limits}))


def unpack_report(packet: bytes) -> Report:
    """A report, as the init sent it."""
    message = json.loads(packet)
    return Report(**(message | {"files": tuple((name, size, run) for name, size, run in message["files"])}))


def split_files(table: Iterable[tuple[str, int, bool]], content: bytes) -> dict[str, File]:
    """The files that were kept, by name."""
    files, at = {}, 0
    for name, size, executable in table:
        files[name] = File(name, content[at : at + size], executable)
        at += size
    return files
