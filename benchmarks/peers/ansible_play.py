"""The peer for commands over ssh: Ansible, through ansible-runner, plays the commands on all hosts.

Its settings are the quick ones: no facts are gathered, modules travel through the open connection (pipelining), which
is kept, as many forks as hosts, and no host waits for another (`free`).
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import ansible_runner


def play(scripts: list[str]) -> list[dict[str, Any]]:
    tasks = [{"name": f"step {number}", "ansible.builtin.shell": {"cmd": one}} for number, one in enumerate(scripts, 1)]
    for task in tasks:
        task["args"] = {"executable": "/bin/bash"}
    return [{"hosts": "all", "gather_facts": False, "strategy": "ansible.builtin.free", "tasks": tasks}]


def run(task: dict[str, Any]) -> None:
    """Play; returns when all is done. Raises RuntimeError when a step failed."""
    folder = Path(task["folder"])
    folder.mkdir(parents=True)
    (folder / "play.json").write_text(json.dumps(play(task["scripts"])))  # JSON is YAML
    python = {"ansible_python_interpreter": sys.executable}
    hosts = {name: {"ansible_port": port, "ansible_host": "127.0.0.1"} for name, port in task["hosts"].items()}
    (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": task["vars"] | python}}))
    ran = ansible_runner.run(
        private_data_dir=str(folder),
        playbook=str(folder / "play.json"),
        inventory=str(folder / "inventory.json"),
        forks=len(hosts),
        envvars={
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_HOST_KEY_CHECKING": "1",
            "ANSIBLE_SSH_ARGS": task["ssh_args"],
            "ANSIBLE_HOME": str(folder / "home"),
        },
        quiet=True,
    )
    if ran.rc != 0:
        raise RuntimeError(f"ansible ended with {ran.rc}: {ran.stdout.read()[-2000:]}")


def used() -> float:
    """CPU seconds of this process and its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    before = used()
    run(json.loads(sys.argv[1]))
    print(json.dumps({"cpu_seconds": used() - before}), flush=True)
