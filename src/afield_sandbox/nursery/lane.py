"""A lane: a process that forks one worker at a time, watches it, ends what it leaves, and says what became of it.

Workers are born into the lane's control groups. Moving a process into one costs milliseconds, being born there nothing.
A lane never runs foreign code. Foreign code cannot signal it and cannot look into it.
"""

from __future__ import annotations

import gc
import mmap
import os
import socket

from afield_sandbox import wire
from afield_sandbox.nursery import worker
from afield_sandbox.nursery.enclosure import Enclosure
from afield_sandbox.nursery.turn import Turn

DESCRIPTORS = 4  # standard input, output, error; the job's stream


def serve(keeper: socket.socket, enclosure: Enclosure) -> None:
    """Fork a worker for each packet with descriptors, until the socket closes; others are words that come too late."""
    gc.freeze()
    page = mmap.mmap(-1, mmap.PAGESIZE)  # shared with the workers: see there
    keeper.send(wire.pack({"lane": True}))
    while True:
        packet, descriptors, _, _ = socket.recv_fds(keeper, wire.PACKET, DESCRIPTORS)
        if not packet:
            return
        if descriptors:
            _serve_worker(keeper, descriptors, enclosure, page)


def _serve_worker(keeper: socket.socket, descriptors: list[int], enclosure: Enclosure, page: mmap.mmap) -> None:
    page[: worker.PAGE_USED] = bytes(worker.PAGE_USED)
    child = enclosure.fork_worker()
    if child == 0:
        worker.run(descriptors, keeper, enclosure, page)
    for descriptor in descriptors:
        os.close(descriptor)
    turn = Turn(keeper, enclosure, child, page)
    try:
        turn.serve()
    finally:
        turn.end()
        enclosure.clear()
