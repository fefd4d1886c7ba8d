"""One agent, in a process of its own: `python -m afield.provisioning.agent_process AGENT`, the order in the
environment.

Nobody watches over it but the runner that started it: it goes on when the worker dies. Whatever it makes stands under
the fingerprint of its input, so the next attempt finds what this one finished. It has no database; what it says goes
into a file (`afield.provisioning.progress`).
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from afield.errors import AfieldError, LookError, UnavailableError
from afield.provisioning.agents.base import Agent, Bench
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.registry import agent_of
from afield.provisioning.assets import OUTPUT, Shelf, write_whole
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.pipeline import ATTEMPT, DEADLINES_S, HOME, ORDER, JobOrder
from afield.provisioning.progress import LineKind, Severity, Teller
from afield.provisioning.settings import ProvisionSettings, handed_down

DONE, FAILED, TOO_MUCH_MEMORY = 0, 1, 3
_MEMORY_CHECK_S = 0.05
_ALONE = "alone"


def main() -> int:
    """Work as the agent named. The exit code says whether there is an artefact to go on with."""
    agent = AgentName.of_slug(sys.argv[1])
    order = JobOrder.model_validate_json(os.environ[ORDER])
    home = Path(os.environ[HOME])
    os.environ.update(handed_down(home))
    shelf = Shelf(home, order.job_id)
    refused = shelf.folder / agent.slug / f"refused-{order.round}"
    if refused.exists():
        return FAILED  # an attempt before this one said why, and this one would say the same
    tell = Teller(shelf.spool / f"{os.environ.get(ATTEMPT, _ALONE)}.jsonl", agent.value)
    settings = ProvisionSettings()
    _give_way(settings.niceness)
    try:
        tell.say(LineKind.STAGE, f"{agent} began", status="running")
        _limit_memory(settings.memory_mb, tell, refused)
        with shelf.alone(agent):
            attempt = Attempt(
                order=order, home=home, shelf=shelf, settings=settings, llm=LlmSettings(), tell=tell, refused=refused
            )
            return _worked(attempt, agent)
    finally:
        tell.close()


def _give_way(niceness: int) -> None:
    """Let the web process go first. Where Linux groups processes by their sessions, niceness counts within a session
    only, and that of the session has to be set (sched(7), autogroup)."""
    os.nice(niceness)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


def _worked(attempt: Attempt, agent: AgentName) -> int:
    try:
        objection = asyncio.run(attempt.work(agent_of(agent)))
    except AfieldError as error:
        return attempt.failed(str(error), final=not _may_pass(error))
    except Exception as error:  # noqa: BLE001 - the outermost edge of the process: whatever it was, people are told
        traceback.print_exc()
        return attempt.failed(f"{type(error).__name__}: {error}", final=False)
    return attempt.failed(objection, final=True) if objection else DONE


def _may_pass(error: AfieldError) -> bool:
    """Whether it may be different in a while."""
    return isinstance(error, UnavailableError | LookError) or bool(getattr(error, "passing", False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of one agent. `refused` is the file that says why there need not be another."""

    order: JobOrder
    home: Path
    shelf: Shelf
    settings: ProvisionSettings
    llm: LlmSettings
    tell: Teller
    refused: Path

    async def work(self, agent: Agent[Any, Any]) -> str:
        """Make the artefact, or find it made; what speaks against going on with it."""
        given = agent.gather(self.order, self.shelf)
        digest = agent.digest(given, agent.beside(self.order, self.llm))
        before = self.shelf.finished(agent.name, digest)
        if before is not None:
            made = agent.output.model_validate_json((before / OUTPUT).read_bytes())
            if not agent.objection(made):
                self.tell.log("This was made before, from the same input; it is used again.")
                self._told(agent, made)
                return ""
            self.shelf.discard(agent.name, digest)
        with self.shelf.making(agent.name, digest) as folder:
            made = await agent.work(given, self._bench(folder, monotonic() + DEADLINES_S[agent.name]))
            (folder / OUTPUT).write_text(made.model_dump_json(), encoding="utf-8")
        objection = agent.objection(made)
        self._told(agent, made)
        return objection

    def _bench(self, folder: Path, until: float) -> Bench:
        return Bench(
            order=self.order,
            home=self.home,
            shelf=self.shelf,
            folder=folder,
            settings=self.settings,
            llm=self.llm,
            tell=self.tell,
            until=until,
        )

    def _told(self, agent: Agent[Any, Any], made: Any) -> None:
        summary = agent.summary(made)
        self.tell.progress(1.0)
        self.tell.say(LineKind.RESULT, summary.message, severity=Severity.NOTICE, **summary.data)

    def failed(self, why: str, *, final: bool) -> int:
        """Say why; `final`: another attempt by itself would fail for the same reason."""
        self.tell.say(LineKind.ERROR, why, severity=Severity.ERROR, final=final)
        sys.stderr.write(f"{why}\n")
        if final:
            write_whole(self.refused, why.encode())
        return FAILED


def _limit_memory(memory_mb: int, tell: Teller, refused: Path) -> None:
    """End the process when its resident memory passes the limit. An address-space limit (`RLIMIT_AS`) would count what
    DuckDB and Polars reserve and never use."""
    threading.Thread(target=_watch_memory, args=(memory_mb, tell, refused), daemon=True, name="memory").start()


def _watch_memory(memory_mb: int, tell: Teller, refused: Path) -> None:
    page, pause = os.sysconf("SC_PAGE_SIZE"), threading.Event()
    with Path("/proc/self/statm").open("rb", buffering=0) as statm:
        while True:
            statm.seek(0)
            used_mb = int(statm.read(100).split()[1]) * page >> 20
            if used_mb > memory_mb:
                why = f"It used more than {memory_mb} MiB of memory, which is what one agent may use."
                tell.say(LineKind.ERROR, why, severity=Severity.ERROR, final=True)
                write_whole(refused, why.encode())
                os._exit(TOO_MUCH_MEMORY)
            pause.wait(_MEMORY_CHECK_S)


if __name__ == "__main__":
    sys.exit(main())
