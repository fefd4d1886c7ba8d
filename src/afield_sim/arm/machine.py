"""A simulated machine from inside: its files, its journal, what runs on it."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from . import shell
from .bodies import CommandProperties
from .model import Extension, JournalLine, Operation, Os, Provisioning, View, Vm

_WINDOWS = 'Write-Output() { echo "$@"; }; Write-Host() { echo "$@"; }; Write-Error() { echo "$@" >&2; }\n'


@dataclass(slots=True)
class RunCommand:
    """A managed run command; `run` is its script while it has one."""

    name: str
    location: str
    properties: CommandProperties
    created_at: float
    tags: dict[str, str] = field(default_factory=dict)
    provisioning: Provisioning = Provisioning.CREATING
    view: View = field(default_factory=View)
    planted: bool = False
    run: shell.ScriptRun | None = None


@dataclass(slots=True)
class Action:
    """An action command that was accepted; a `killed` one loses its result."""

    operation: Operation
    run: shell.ScriptRun | None = None
    killed: bool = False


class Machine:
    """One machine; `changed` is called whenever a script starts or ends."""

    def __init__(self, vm: Vm, folder: Path, now: Callable[[], float], changed: Callable[[], None]) -> None:
        self.vm = vm
        self.folder = folder
        self.commands: dict[str, RunCommand] = {}
        self.action: Action | None = None
        self.extension: Extension | None = None
        self.managed_used = False
        self.last_output = ""
        self.journal: list[JournalLine] = []
        self._now = now
        self._changed = changed
        self._runs: set[shell.ScriptRun] = set()
        self._count = 0

    async def run(
        self, confinement: shell.Confinement, api: str, name: str, script: shell.Script
    ) -> tuple[shell.ScriptRun, JournalLine]:
        """Start a script and note it in the journal."""
        line = JournalLine(
            vm=self.vm.name,
            at=self._now(),
            api=api,
            name=name,
            sha256=hashlib.sha256(script.text.encode(errors="surrogateescape")).hexdigest(),
            first_line=script.text.lstrip("\n").partition("\n")[0],
        )
        self._count += 1
        place = shell.Place(self.vm.name, self.folder, self.folder / "runs" / f"{self.folder.name}-{self._count}")
        text = _WINDOWS + script.text if self.vm.os is Os.WINDOWS else script.text
        run = await shell.start(confinement, place, shell.Script(text, script.arguments, script.environment))
        self._runs.add(run)
        self.journal.append(line)
        self._changed()
        return run, line

    def ended(self, run: shell.ScriptRun, line: JournalLine, exit_code: int | None) -> None:
        """Note the end of a script; no exit code when it was killed."""
        self._runs.discard(run)
        line.ended_at = self._now()
        line.killed = run.killed
        line.exit_code = None if run.killed else exit_code
        self._changed()

    @property
    def running(self) -> int:
        """How many scripts run now."""
        return len(self._runs)

    async def kill_all(self) -> None:
        """Kill every script, as a restart does."""
        if self.action is not None:
            self.action.killed = True
            self._changed()
        await asyncio.gather(*(run.kill() for run in list(self._runs)))

    def file(self, path: str) -> Path | None:
        """Where a file of the machine really is; None for a path that does not persist."""
        wanted = PurePosixPath("/", path)
        if ".." in wanted.parts:
            return None
        for inside, name in shell.PERSISTENT.items():
            if wanted.is_relative_to(inside):
                return self.folder / name / wanted.relative_to(inside)
        return None
