"""The nursery's program: build the jail's walls, fork lanes as they are asked for.

Its one argument is the descriptor of a socket. The first packet there holds the settings; each later one is a
request for a lane and carries the lane's own socket. When it closes, the process ends, and everything inside with it.
"""

from __future__ import annotations

import os
import select
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

from afield_sandbox import wire
from afield_sandbox.nursery import lane, script, walls
from afield_sandbox.nursery.enclosure import Enclosure, NurseryEndedError


def main(descriptor: int) -> None:
    """Build, then serve. What goes wrong while building is the last packet that is sent."""
    keeper = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a first process of a namespace can be sent what it has handlers for
    enclosure = walls.planned(wire.unpack_settings(keeper.recv(wire.PACKET)))
    script.hide()
    try:
        inside = enclosure.enter()
    except OSError as problem:
        keeper.send(wire.pack({"error": str(problem)}))
        return
    if not inside:
        return
    keeper.send(wire.pack({"ready": True}))
    try:
        Nursery(keeper, enclosure).serve()
    finally:
        os._exit(0)  # all that is inside ends with it


class Nursery:
    """Forks a lane for each socket that comes; when one ends, ends what it left."""

    def __init__(self, keeper: socket.socket, enclosure: Enclosure) -> None:
        self._keeper = keeper
        self._enclosure = enclosure
        self._lanes: dict[int, int] = {}  # process by its handle
        self._poll = select.poll()

    def serve(self) -> None:
        """Until the keeper goes, and then until the lanes have gone: they see it too."""
        self._poll.register(self._keeper, select.POLLIN)
        while self._keeper.fileno() >= 0 or self._lanes:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._lanes:
                    self._bury(descriptor)
                else:
                    self._obey()

    def _obey(self) -> None:
        _, descriptors, _, _ = socket.recv_fds(self._keeper, wire.PACKET, 1)
        if not descriptors:
            self._poll.unregister(self._keeper)
            self._keeper.close()
            return
        child = self._enclosure.fork_lane()
        if child == 0:
            self._become_lane(descriptors[0])
        os.close(descriptors[0])
        handle = os.pidfd_open(child)
        self._lanes[handle] = child
        self._poll.register(handle, select.POLLIN)

    def _bury(self, handle: int) -> None:
        self._poll.unregister(handle)
        os.close(handle)
        child = self._lanes.pop(handle)
        os.waitpid(child, 0)
        self._enclosure.lane_ended(child)

    def _become_lane(self, descriptor: int) -> None:
        line = socket.socket(fileno=descriptor)
        try:
            self._keeper.close()
            for handle in self._lanes:
                os.close(handle)
            self._enclosure.enter_lane()
            lane.serve(line, self._enclosure)
        except (ConnectionError, NurseryEndedError):  # nobody needs this lane any more
            pass
        except OSError as problem:
            line.send(wire.pack({"error": str(problem)}))
        except BaseException:  # noqa: BLE001  a forked process must never run on into its parent's code
            traceback.print_exc()
        finally:
            os._exit(1)


if __name__ == "__main__":
    script.warm_up()
    main(int(sys.argv[1]))
