"""The same commands over ssh, by Afield's sessions and by Ansible: as many hosts at once, five commands each."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from afield.kernel import Kernel
from afield.ledger import embedded
from afield.model.jsontypes import JsonObject
from afield.model.target import DEFAULT_TENANT, Target
from benchmarks.fleet import installation, worker_process
from benchmarks.harness import PEER_PYTHON, ROOT, Json, Server, environment, say, tree_cpu
from benchmarks.sshd import Hosts, find_sshd, running_hosts
from benchmarks.stepping import SCRIPTS, ends, start_each, until_over

SECONDS = 900.0  # that one run may take
RAISED: JsonObject = {"min_interval": 0.1, "max_interval": 1, "visibility_delay": 0.1, "calls_per_minute": 1_000_000}
WAYS: dict[str, JsonObject] = {"afield": {}, "afield_raised": RAISED}  # by the targets' settings
_JOURNAL = 'echo run >> "$HOME/journal"'


@dataclass(frozen=True, slots=True)
class Run:
    """Steps a second, and CPU milliseconds for each: of the worker and its database, or of Ansible's processes; not
    of the machines."""

    per_s: float
    cpu_ms: float


async def measure(hosts: int, rounds: int, postgres: Server, folder: Path) -> Json:
    """Alternating rounds of all; the medians, and how many times as many steps a second Afield does."""
    program = find_sshd()
    if program is None:
        return {"skipped": "there is no sshd: apt-get install openssh-server openssh-client"}
    runs: dict[str, list[Run]] = {}
    with running_hosts(program, folder / "sshd", hosts) as there:
        for number in range(rounds):
            for name, settings in WAYS.items():
                run = await _afield(there, settings, postgres, folder / f"{name}-{number}")
                runs.setdefault(name, []).append(run)
            if PEER_PYTHON.exists():
                runs.setdefault("ansible", []).append(await _ansible(there, folder / f"ansible-{number}"))
            say(f"ssh, round {number + 1}: {runs}")
    return _result(runs, hosts, rounds)


def _result(runs: Mapping[str, Sequence[Run]], hosts: int, rounds: int) -> Json:
    medians = {name: round(statistics.median(one.per_s for one in some), 2) for name, some in runs.items()}
    cpu = {name: round(statistics.median(one.cpu_ms for one in some), 1) for name, some in runs.items()}
    peer = medians.get("ansible")
    return {
        "steps_per_s": medians,
        "cpu_ms_per_step": cpu,
        "spread": {name: [round(one.per_s, 2) for one in some] for name, some in runs.items()},
        "ratio": round(medians["afield"] / peer, 2) if peer else None,
        "ratio_raised": round(medians["afield_raised"] / peer, 2) if peer else None,
        "hosts": hosts,
        "steps": hosts * len(SCRIPTS),
        "rounds": rounds,
        "raised": RAISED,
        **({} if peer else {"skipped": "the peers' virtual environment is not there: make bench makes it"}),
    }


def _scripts(place: str) -> list[str]:
    """The scripts for the machine whose home is `place`; each leaves a line in its journal."""
    return [f"export HOME={place}\n{_JOURNAL}\n{script}" for script in SCRIPTS]


def _checked(hosts: Hosts) -> None:
    if hosts.runs() != len(hosts.ports) * len(SCRIPTS):
        raise RuntimeError(f"{hosts.runs()} scripts ran on {len(hosts.ports)} hosts")


async def _afield(hosts: Hosts, settings: JsonObject, postgres: Server, folder: Path) -> Run:
    """Through a worker process."""
    database = embedded.postmaster_pid(postgres.home) or 0
    async with installation(postgres, folder) as kernel, worker_process(kernel) as worker:
        targets = await _add_hosts(kernel, hosts, settings)
        first = targets[0]
        await start_each(kernel, [first], ["true"])  # what is loaded at first is not the steps'
        await until_over(kernel, 1, SECONDS)
        hosts.clean()
        used = tree_cpu(worker.pid) + tree_cpu(database)
        began = datetime.now(UTC)
        for target in targets:
            await start_each(kernel, [target], _scripts(str(hosts.place(target.name))))
        await until_over(kernel, 1 + len(targets), SECONDS)
        used = tree_cpu(worker.pid) + tree_cpu(database) - used
        ended = [end.at for end in await ends(kernel) if end.at > began]
    _checked(hosts)
    return Run(len(ended) / (max(ended) - began).total_seconds(), 1000 * used / len(ended))


async def _add_hosts(kernel: Kernel, hosts: Hosts, settings: JsonObject) -> Sequence[Target]:
    await kernel.credentials.add(DEFAULT_TENANT, "ssh", "ssh", {"private_key": hosts.key_file.read_text()})
    return [
        await kernel.add_target(
            connector="ssh", name=name, address=hosts.address(name), settings=settings, credential="ssh"
        )
        for name in hosts.ports
    ]


async def _ansible(hosts: Hosts, folder: Path) -> Run:
    """Through ansible-runner."""
    hosts.clean()
    task = {
        "folder": str(folder),
        "hosts": hosts.ports,
        "scripts": _scripts("{{ place }}"),
        "vars": {
            "ansible_user": hosts.user,
            "ansible_ssh_private_key_file": str(hosts.key_file),
            "place": f"{hosts.folder}/{{{{ inventory_hostname }}}}",
        },
        "ssh_args": f"-F none -o UserKnownHostsFile={hosts.known_hosts} -o ControlMaster=auto -o ControlPersist=30s",
    }
    process = await asyncio.create_subprocess_exec(
        str(PEER_PYTHON), "-m", "benchmarks.peers.ansible_play", json.dumps(task), cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env=environment(PATH=f"{PEER_PYTHON.parent}{os.pathsep}{os.environ['PATH']}"),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    began = time.perf_counter()
    process.stdin.write(b"go\n")
    told = await process.stdout.readline()
    seconds = time.perf_counter() - began
    if await process.wait() != 0:
        raise RuntimeError("ansible failed; it says why above")
    _checked(hosts)
    steps = len(hosts.ports) * len(SCRIPTS)
    return Run(steps / seconds, 1000 * json.loads(told)["cpu_seconds"] / steps)
