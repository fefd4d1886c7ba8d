"""A worker: waits for one job inside a jail that is already closed, does it, and is never used again."""

from __future__ import annotations

import io
import math
import mmap
import os
import resource
import signal
import socket
import struct
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from afield_sandbox import wire
from afield_sandbox.model import File, Limits
from afield_sandbox.nursery import enclosure, script

_LIBRARIES = 64 * 1024 * 1024  # address space of a program's libraries, on top of what it may use
_LAST_DESCRIPTOR = 1 << 20
_REHEARSAL = wire.Job("main.py", (), (), {}, Limits(), files=(File("main.py", b""),))
_PACKED = wire.pack_job(_REHEARSAL)
SPENT_AT = 8  # in the page shared with the init: CPU seconds before the program began; byte 0: memory ran out


def run(descriptors: list[int], proc: int, page: mmap.mmap) -> NoReturn:
    """Wait for the job, then become it. Does not return."""
    try:
        enclosure.offer_to_oom_killer(proc)
        _rehearse()
        *streams, stream, line = descriptors
        job = wire.read_job(_reader(stream))
        keeper = socket.socket(fileno=_only_standard_streams(streams, line))
        try:
            _prepare(job)
            struct.pack_into("d", page, SPENT_AT, time.process_time())
            keeper.send(wire.pack({"started": True}))  # from here on it counts as run
            if job.command:
                _replace(job)
        except (OSError, ValueError) as problem:
            keeper.send(wire.pack({"error": f"The worker could not start the job: {problem}"}))
            os._exit(1)
        keeper.close()
        script.run(job, page)
    except EOFError:  # nobody needs this worker any more
        os._exit(0)
    except BaseException:  # noqa: BLE001  a forked process must never run on into its parent's code
        traceback.print_exc()
    finally:
        os._exit(1)


def _rehearse() -> None:
    """Go through the motions before the job comes: memory that is shared since the fork is copied now, not then."""
    wire.read_job(io.BytesIO(_PACKED).read)
    list(_resource_limits(_REHEARSAL))
    script.rehearse()


def _reader(descriptor: int) -> script.Reader:
    stream = os.fdopen(descriptor, "rb")

    def read(size: int) -> bytes:
        data = stream.read(size)
        if len(data) < size:
            raise EOFError
        return data

    return read


def _only_standard_streams(streams: list[int], line: int) -> int:
    """Put the three streams in their place and close all else but the line; its new number."""
    line = os.dup2(line, max(line, 10) + 10, inheritable=False)
    for place, descriptor in enumerate(streams):
        os.dup2(descriptor, place)
    os.closerange(3, line)
    os.closerange(line + 1, _LAST_DESCRIPTOR)
    return line


def _prepare(job: wire.Job) -> None:
    for file in job.files:
        path = Path(wire.CODE_FOLDER, file.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        if file.executable:
            path.chmod(0o700)
    os.environ.update(job.environment)
    for kind, value in _resource_limits(job):
        _limit(kind, value)


def _resource_limits(job: wire.Job) -> Iterator[tuple[int, int]]:
    limits = job.limits
    yield resource.RLIMIT_CPU, math.ceil(limits.cpu_s) + 1  # the init is quicker; this holds if it is not
    yield resource.RLIMIT_FSIZE, limits.file_bytes
    yield resource.RLIMIT_NOFILE, limits.open_files
    yield resource.RLIMIT_NPROC, limits.processes + 1  # the init counts too
    yield resource.RLIMIT_CORE, 0
    yield resource.RLIMIT_MEMLOCK, 65536
    yield resource.RLIMIT_MSGQUEUE, 0
    yield resource.RLIMIT_STACK, limits.stack_bytes
    if job.address_space:
        used = _LIBRARIES if job.command else int(Path("/proc/self/statm").read_text("ascii").split()[0]) * 4096
        yield resource.RLIMIT_AS, limits.memory_bytes + used


def _limit(kind: int, value: int) -> None:
    """Down to `value`; where the host's own limit is lower, that one stays."""
    _, most = resource.getrlimit(kind)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(kind, (value, value))


def _replace(job: wire.Job) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and programs would inherit that
        signal.signal(number, signal.SIG_DFL)
    os.execve(job.command[0], job.command, os.environ)  # noqa: S606  what this is for
