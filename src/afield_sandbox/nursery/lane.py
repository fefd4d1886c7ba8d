"""A lane: a process that forks one worker at a time, each after the one before has gone.

Workers are born into the lane's control groups. Moving a process into one costs milliseconds, being born there nothing.
"""

from __future__ import annotations

import gc
import os
import socket

from afield_sandbox import wire
from afield_sandbox.nursery import enclosure, init

DESCRIPTORS = 5  # standard input, output, error; the job's stream; the init's line


def serve(keeper: socket.socket, settings: wire.NurserySettings) -> None:
    """Fork a worker for each request, until the socket closes. Answers with a descriptor of the worker's init."""
    gc.freeze()
    keeper.send(wire.pack({"lane": True}))
    while True:
        _, descriptors, _, _ = socket.recv_fds(keeper, wire.PACKET, DESCRIPTORS)
        if not descriptors:
            return
        worker = enclosure.fork_worker(settings)
        if worker == 0:
            keeper.close()
            init.run(descriptors, settings)
        _hand_over(keeper, worker, descriptors)
        os.waitpid(worker, 0)


def _hand_over(keeper: socket.socket, worker: int, descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
    handle = os.pidfd_open(worker)
    try:
        socket.send_fds(keeper, [wire.pack({"worker": True})], [handle])
    finally:
        os.close(handle)
