"""A job's files. Every artefact stands under its agent and the fingerprint of what it was made from, and appears whole
or not at all; so the same input is never worked on twice, and a killed process leaves nothing that looks finished.

Blocks: call it from threads and worker processes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from afield.errors import NotFoundError
from afield.provisioning.agents.names import AgentName
from afield.provisioning.brief import Frozen
from afield.provisioning.settings import provisioning_home

OUTPUT = "output.json"
_LATEST = "latest"
_UNFINISHED = ".new-"

Out = TypeVar("Out", bound=Frozen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file of a job. `path` is relative to the job's folder."""

    agent: AgentName
    path: str
    size: int


class Shelf:
    """The folder of one job."""

    def __init__(self, home: Path, job_id: UUID) -> None:
        self.folder = provisioning_home(home) / "jobs" / str(job_id)

    @property
    def spool(self) -> Path:
        """Where agents say what they do."""
        return self.folder / "spool"

    @contextmanager
    def alone(self, agent: AgentName) -> Iterator[None]:
        """Keep every other process of this agent of this job waiting."""
        place = self.folder / agent.slug
        place.mkdir(parents=True, exist_ok=True)
        with (place / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def finished(self, agent: AgentName, digest: str) -> Path | None:
        """The artefact made from this input, if there is one. From now on it is the agent's latest."""
        place = self.folder / agent.slug / digest
        if not (place / OUTPUT).is_file():
            return None
        self._point(agent, digest)
        return place

    def discard(self, agent: AgentName, digest: str) -> None:
        """Take an artefact away that must not be used again."""
        shutil.rmtree(self.folder / agent.slug / digest, ignore_errors=True)

    @contextmanager
    def making(self, agent: AgentName, digest: str) -> Iterator[Path]:
        """A folder to work in; what is in it becomes the artefact at the end, unless that raises."""
        place = self.folder / agent.slug
        for left_over in place.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        new = place / f"{_UNFINISHED}{digest}"
        new.mkdir(parents=True)
        try:
            yield new
            new.replace(place / digest)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        self._point(agent, digest)

    def latest(self, agent: AgentName) -> Path:
        """The folder of the artefact the agent made last. Raises NotFoundError."""
        place = self.folder / agent.slug
        try:
            return place / (place / _LATEST).read_text()
        except FileNotFoundError:
            raise NotFoundError(f"The {agent} has made nothing yet.", hint="Follow the job's status.") from None

    def output(self, agent: AgentName, kind: type[Out]) -> Out:
        """What the agent handed on last. Raises NotFoundError."""
        try:
            return kind.model_validate_json((self.latest(agent) / OUTPUT).read_bytes())
        except FileNotFoundError:
            raise NotFoundError(f"What the {agent} made is gone.", hint="Start the job anew with clone.") from None

    def assets(self) -> list[Asset]:
        """All files of the latest artefacts."""
        found = []
        for agent in AgentName:
            try:
                place = self.latest(agent)
            except NotFoundError:
                continue
            files = sorted(path for path in place.rglob("*") if path.is_file())
            found += [
                Asset(agent=agent, path=str(path.relative_to(self.folder)), size=path.stat().st_size) for path in files
            ]
        return found

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _point(self, agent: AgentName, digest: str) -> None:
        place = self.folder / agent.slug
        write_whole(place / _LATEST, digest.encode())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_bytes(data)
    new.replace(path)
