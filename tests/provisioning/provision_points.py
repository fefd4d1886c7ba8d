"""An agent's process that says where it is, and goes on when it may: `python provision_points.py PORT -m MODULE AGENT`.

It stands where a job's steps start Python. Nothing of the agent is replaced; it is only stopped at named points.
"""

from __future__ import annotations

import os
import runpy
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

PORT, MODULE, AGENT = (sys.argv[1], sys.argv[3], sys.argv[4]) if __name__ == "__main__" else ("", "", "")


class Point(StrEnum):
    """Where an agent is."""

    BEGUN = "begun"  # it has done nothing yet
    WORKS = "works"  # there is no artefact of its input, so it makes one
    MIDST = "midst"  # it has made a part of it
    MADE = "made"  # the artefact is written, and nobody knows that


def reach(point: Point) -> None:
    """Say so, and wait for an answer. Whoever asked may be gone: then it goes on."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", int(PORT))) as connection:
        connection.sendall(f"{AGENT} {point} {os.getpid()}\n".encode())
        connection.recv(1)


def at_second(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with the midst before its second call."""
    calls = iter(range(1_000_000))

    def counted(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == 1:
            reach(Point.MIDST)
        return function(*args, **kwargs)

    return counted


def mark() -> None:
    from afield.provisioning.agents.names import AgentName
    from afield.provisioning.assets import Shelf

    whole = Shelf.making

    @contextmanager
    def making(self: Shelf, agent: AgentName, digest: str) -> Iterator[Path]:
        reach(Point.WORKS)
        with whole(self, agent, digest) as folder:
            yield folder
        reach(Point.MADE)

    Shelf.making = making  # type: ignore[method-assign]
    if AgentName.DATA.slug == AGENT:
        from afield.provisioning.making import run

        run.write = at_second(run.write)
    if AgentName.INFRASTRUCTURE.slug == AGENT:
        from afield.provisioning.warehouse import duckdb_build

        duckdb_build._load = at_second(duckdb_build._load)


if __name__ == "__main__":
    reach(Point.BEGUN)
    mark()
    sys.argv[:] = [MODULE, AGENT]
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
