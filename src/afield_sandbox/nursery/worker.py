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
from afield_sandbox.nursery import script
from afield_sandbox.nursery.enclosure import Enclosure

_LIBRARIES = 64 * 1024 * 1024  # address space of a program's libraries, on top of what it may use
_LAST_DESCRIPTOR = 1 << 20
_REHEARSAL = wire.Job("main.py", (), (), {}, Limits(), files=(File("main.py", b""),))
_PACKED = wire.pack_job(_REHEARSAL)
SPENT_AT = 8  # in the page shared with the lane: CPU seconds before the program began; byte 0: memory ran out
PAGE_USED = 16


def run(descriptors: list[int], keeper: socket.socket, enclosure: Enclosure, page: mmap.mmap) -> NoReturn:
    """Close the door, say so, wait for the job, then become it. Does not return."""
    try:
        *streams, stream = descriptors
        _close_in(keeper, enclosure)
        _rehearse()
        keeper.send(wire.pack({"ready": True}))
        keeper.close()
        job = wire.read_job(_reader(stream)).moved(enclosure.box)
        processes = enclosure.most_processes(job.limits.processes)
        line = socket.socket(fileno=_only_standard_streams(streams, stream))
        try:
            _prepare(job, processes)
            struct.pack_into("d", page, SPENT_AT, time.process_time())
            line.send(wire.BEGUN)  # from here on it counts as run
            if job.command:
                _replace(job)
        except (OSError, ValueError) as problem:
            line.send(f"The worker could not start the job: {problem}".encode())
            os._exit(1)
        line.close()
        script.run(job, page)
    except (EOFError, ConnectionError):  # nobody needs this worker any more
        os._exit(0)
    except BaseException:  # noqa: BLE001  a forked process must never run on into its parent's code
        traceback.print_exc()
    finally:
        os._exit(1)


def _close_in(keeper: socket.socket, enclosure: Enclosure) -> None:
    try:
        enclosure.close_worker()
    except OSError as problem:
        keeper.send(wire.pack({"error": str(problem)}))
        os._exit(1)


def _rehearse() -> None:
    """Go through the motions before the job comes: memory that is shared since the fork is copied now, not then."""
    wire.read_job(io.BytesIO(_PACKED).read)
    list(_resource_limits(_REHEARSAL, 1))
    script.rehearse()


def _reader(descriptor: int) -> script.Reader:
    stream = os.fdopen(descriptor, "rb", closefd=False)

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


def _prepare(job: wire.Job, processes: int) -> None:
    for file in job.files:
        if "/" in file.name:
            Path(file.name).parent.mkdir(parents=True, exist_ok=True)  # the work folder is where we are
        mode = 0o700 if file.executable else 0o600  # from the start: some walls let nobody change it
        content = os.open(file.name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
        left = memoryview(file.content)
        while left:
            left = left[os.write(content, left) :]
        os.close(content)
    os.environ.update(job.environment)
    for kind, value in _resource_limits(job, processes):
        _limit(kind, value)


def _resource_limits(job: wire.Job, processes: int) -> Iterator[tuple[int, int]]:
    limits = job.limits
    yield resource.RLIMIT_CPU, math.ceil(limits.cpu_s) + 1  # the lane is quicker; this holds if it is not
    yield resource.RLIMIT_FSIZE, limits.file_bytes
    yield resource.RLIMIT_NOFILE, limits.open_files
    yield resource.RLIMIT_NPROC, processes
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
    os.execve(job.command[0], (*job.command, *job.args), os.environ)  # noqa: S606  what this is for
