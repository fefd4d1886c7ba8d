"""The nursery's program: build the jail's root, become its first process, fork lanes as they are asked for.

Its one argument is the descriptor of a socket. The first packet there holds the settings; each later one is a
request for a lane and carries the lane's own socket. When it closes, the process ends, and everything inside with it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
import types
from pathlib import Path

if __name__ == "__main__":  # the package without what its front door imports: all of that would be in every worker
    _package = types.ModuleType("afield_sandbox")
    _package.__path__ = [str(Path(__file__).parents[1])]
    sys.modules["afield_sandbox"] = _package

from afield_sandbox import linux, seccomp, wire
from afield_sandbox.nursery import enclosure, lane, script


def main(descriptor: int) -> None:
    """Build, then serve. What goes wrong while building is the last packet that is sent."""
    keeper = socket.socket(fileno=descriptor)
    settings = wire.unpack_settings(keeper.recv(wire.PACKET))
    try:
        inside = enclosure.enter_nursery(settings)
    except OSError as problem:
        keeper.send(wire.pack({"error": str(problem)}))
        return
    if not inside:
        return
    keeper.send(wire.pack({"ready": True}))
    try:
        serve(keeper, settings)
    finally:
        os._exit(0)  # the first process of its namespace: all others end with it


def serve(keeper: socket.socket, settings: wire.NurserySettings) -> None:
    """Fork a lane for each socket that comes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    seccomp.build(linux.machine())  # once, for all workers to come
    while True:
        _, descriptors, _, _ = socket.recv_fds(keeper, wire.PACKET, 1)
        if not descriptors:
            return
        if os.fork() == 0:
            _become_lane(keeper, descriptors[0], settings)
        os.close(descriptors[0])


def _become_lane(keeper: socket.socket, descriptor: int, settings: wire.NurserySettings) -> None:
    try:
        keeper.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        lane.serve(socket.socket(fileno=descriptor), settings)
    except ConnectionError:  # the keeper has let go of this lane
        pass
    except BaseException:  # noqa: BLE001  a forked process must never run on into its parent's code
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    script.warm_up()
    main(int(sys.argv[1]))
