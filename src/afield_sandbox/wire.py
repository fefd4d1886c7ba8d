"""What the jail's two sides say to each other: the keeper outside, the nursery inside. Pure.

Jobs go over a stream, length first, and the worker says there that it begins, or why it cannot; everything else is one
JSON object a packet.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from afield_sandbox.model import File, Limits

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

BOX = "/box"
CODE_FOLDER = f"{BOX}/code"
BOX_FOLDERS = ("code", "tmp", "shm")
PACKET = 64 * 1024
BEGUN = b"."  # a worker's word on the job's stream; anything else there is why it could not begin


class Walls(StrEnum):
    """What closes a worker in."""

    NAMESPACES = "namespaces"
    LANDLOCK = "landlock"


@dataclass(frozen=True, slots=True)
class NurserySettings:
    """How the nursery is built. `user`: who it becomes outside (uid and gid), None to stay who it is.

    `binds` are shown read-only at their own place, `links` made, `without` names protections that are left out.
    `folder` is for the private folders where there is no file system for them; `users`, first and last, are those of
    which each lane becomes one where it stays on the host's ground. `memory_held`: the kernel holds the memory of runs.
    """

    binds: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    user: tuple[int, int] | None
    scratch_bytes: int
    scratch_files: int
    without: tuple[str, ...] = ()
    walls: Walls = Walls.NAMESPACES
    folder: str = ""
    users: tuple[int, int] | None = None
    memory_held: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """What a waiting worker is told to do. `command` is empty for Python: the worker itself runs the first file.

    `command` and `environment` may name places below /box, the private folder. `address_space` says whether memory is
    limited by RLIMIT_AS.
    """

    main: str
    args: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    limits: Limits
    address_space: bool = False
    files: tuple[File, ...] = field(default=())

    def moved(self, box: str) -> Job:
        """The job as it is where the private folder has another place. Arguments and files are left as they are."""
        if box == BOX:
            return self
        command = tuple(_moved(word, box) for word in self.command)
        return replace(self, command=command, environment={k: _moved(v, box) for k, v in self.environment.items()})


def _moved(word: str, box: str) -> str:
    return box + word.removeprefix(BOX) if word == BOX or word.startswith(f"{BOX}/") else word


@dataclass(frozen=True, slots=True)
class Watch:
    """What the lane is told when a job starts: limits that need someone watching. Bytes and seconds.

    `keep` asks for the files that are left, up to so many bytes of them; 0 for none.
    """

    cpu_s: float
    memory_bytes: int | None
    keep: int = 0
    processes: int = 64


@dataclass(frozen=True, slots=True)
class Report:
    """How the first process ended, and what the run used. `why` is set when the lane ended it: cpu, memory, scratch or
    stop. `error` is set when the worker could not start the job: nothing of the submission ran.
    """

    status: int
    cpu_s: float
    resident_bytes: int
    why: str = ""
    out_of_memory: bool = False
    error: str = ""
    files: tuple[tuple[str, int, bool], ...] = ()


def flat(record: DataclassInstance) -> dict[str, object]:
    """A record's fields, by name. Unlike `asdict` it copies nothing."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


_encode = json.JSONEncoder(separators=(",", ":")).encode


def pack(message: object) -> bytes:
    """A packet."""
    return _encode(message).encode()


def unpack(packet: bytes) -> dict[str, object]:
    """A packet's object. Raises ValueError when it is none."""
    message = json.loads(packet)
    if not isinstance(message, dict):
        raise TypeError("a packet has to hold an object")
    return message


def pack_settings(settings: NurserySettings) -> bytes:
    """The settings, as a packet."""
    return pack(flat(settings))


def unpack_settings(packet: bytes) -> NurserySettings:
    """The settings of a packet."""
    message = json.loads(packet)
    message["links"] = tuple((link, target) for link, target in message["links"])
    message["users"] = tuple(message["users"]) if message["users"] else None
    message["walls"] = Walls(message["walls"])
    message["user"] = tuple(message["user"]) if message["user"] else None
    return NurserySettings(**message)


def pack_job(job: Job) -> bytes:
    """A job as it goes over the stream."""
    table = [(file.name, len(file.content), file.executable) for file in job.files]
    head = flat(job) | {"limits": flat(job.limits), "environment": dict(job.environment), "files": table}
    body = pack(head)
    return b"".join([len(body).to_bytes(4, "big"), body, *(file.content for file in job.files)])


def read_job(read: Callable[[int], bytes]) -> Job:
    """The job that comes next; `read` gives exactly as many bytes as are asked for, or raises EOFError."""
    head = json.loads(read(int.from_bytes(read(4), "big")))
    files = tuple(
        _restored(File, {"name": name, "content": read(size), "executable": executable})
        for name, size, executable in head["files"]
    )
    head |= {"args": tuple(head["args"]), "command": tuple(head["command"])}
    return _restored(Job, head | {"files": files, "limits": _restored(Limits, head["limits"])})


def _restored(kind: type[T], fields: Mapping[str, object]) -> T:
    """A record that was judged when it was made, not judged again: this is done for every run."""
    record = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(record, name, value)
    return record


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
