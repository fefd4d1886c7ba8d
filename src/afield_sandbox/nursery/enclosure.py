"""What closes workers in, whatever it is made of."""

from __future__ import annotations

from typing import Protocol

from afield_sandbox.wire import Watch


class NurseryEndedError(Exception):
    """The lane has to end, and its run with it. No OSError: those are passed over in many places."""


class Enclosure(Protocol):
    """The walls, as the nursery, a lane and a worker build them, each in its own process. Everything raises OSError."""

    box: str  # where a worker's private folder is, as the worker sees it
    looks: bool  # whether somebody has to look at how much is in there

    def enter(self) -> bool:
        """The nursery's own walls. True in the process that goes on, False in one that only waited for it to end."""
        ...

    def fork_lane(self) -> int:
        """A new process for a lane: 0 there, its id here."""
        ...

    def enter_lane(self) -> None:
        """The lane's own walls."""
        ...

    def lane_ended(self, pid: int) -> None:
        """End what a lane has left behind."""
        ...

    def fork_worker(self) -> int:
        """A new process for a worker: 0 there, its id here."""
        ...

    def close_worker(self) -> None:
        """Shut the door behind the worker: private folder, no rights, no way back."""
        ...

    def begin(self, child: int, watch: Watch) -> None:
        """In the lane: a job comes."""
        ...

    def most_processes(self, processes: int) -> int:
        """In the worker, as the job begins: what RLIMIT_NPROC has to be for so many processes."""
        ...

    def processes(self) -> list[str]:
        """In the lane: the processes of the run, by id."""
        ...

    def end_all(self) -> None:
        """In the lane: SIGKILL to every process of the run, at once."""
        ...

    def crowded(self) -> bool:
        """In the lane: whether the private folder holds more than it may, where no file system holds that."""
        ...

    def clear(self) -> None:
        """In the lane: nothing of the run is left in the private folder."""
        ...
