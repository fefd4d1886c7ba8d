"""The ssh connector at OpenSSH's server: who it trusts, what it says of a broken line, and who survives whom."""

from __future__ import annotations

import asyncio
import getpass
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from pydantic import ValidationError
from runner_world import RunnerHarness, alive, new_intent, seen
from ssh_world import SshServer, line_to

from afield.connectors.base import (
    Accepted,
    Cancellation,
    CheckVerdict,
    LookQuery,
    NotSent,
    RemoteState,
    Unknown,
)
from afield.connectors.ssh.address import SshAddress
from afield.connectors.ssh.connector import SshConnector
from afield.errors import CredentialError

_OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
def harness(sshd: SshServer, tmp_path: Path) -> RunnerHarness:
    harness = RunnerHarness(SshConnector, tmp_path, **sshd.address)
    harness.secret = sshd.secret
    return harness


@pytest.fixture
async def connector(harness: RunnerHarness) -> AsyncIterator[Any]:
    opened = await harness.open()
    yield opened
    await opened.close()


# --------------------------------------------------------------------------------------- trust


async def test_a_wrong_host_key_ends_it_before_anything_is_sent(harness: RunnerHarness, sshd: SshServer) -> None:
    wrong = _OTHER_KEY.export_public_key().decode().strip()
    line = f"[127.0.0.1]:{sshd.port} {wrong}"
    for host_keys in ([line], [_OTHER_KEY.get_fingerprint()]):
        connector = await harness.open(host_keys=host_keys)
        answer = await connector.submit(intent := new_intent(harness.spec()))
        assert isinstance(answer, NotSent)
        assert answer.reason.code == "host_key"
        snapshot = await connector.look(LookQuery(doubts=(intent,)))
        assert not snapshot.complete
        ladder = {check.name: check for check in connector.ladder()}
        assert (await ladder["host_key"].probe()).verdict is CheckVerdict.FAIL
        await connector.close()
    assert not harness.journal.exists()


async def test_a_fingerprint_is_enough(harness: RunnerHarness, sshd: SshServer) -> None:
    connector = await harness.open(host_keys=[sshd.fingerprint])
    assert isinstance(await connector.submit(new_intent(harness.spec())), Accepted)
    await connector.close()


@pytest.mark.parametrize("host_keys", [[], ["SHA256:short"], ["ssh-ed25519 AAAA"], ["MD5:aa:bb"]])
def test_a_host_key_has_to_be_given(sshd: SshServer, host_keys: list[str]) -> None:
    with pytest.raises(ValidationError):
        SshAddress.model_validate(sshd.address | {"host_keys": host_keys})


# --------------------------------------------------------------------------------------- credentials


async def test_a_key_may_have_a_passphrase(harness: RunnerHarness, sshd: SshServer) -> None:
    harness.secret = {
        "private_key": sshd.user_key.export_private_key("pkcs8-pem", "open sesame").decode(),
        "passphrase": "open sesame",
    }
    connector = await harness.open()
    assert (await connector.look(LookQuery(doubts=(new_intent(harness.spec()),)))).complete
    await connector.close()


@pytest.mark.parametrize(
    "secret", [{}, {"private_key": "nonsense"}, {"private_key": _OTHER_KEY.export_private_key().decode()}]
)
async def test_a_login_that_is_refused_is_told(harness: RunnerHarness, secret: dict[str, str]) -> None:
    harness.secret = secret
    connector = await harness.open()
    with pytest.raises(CredentialError) as caught:
        await connector.submit(new_intent(harness.spec()))
    assert caught.value.hint
    assert "PRIVATE KEY" not in str(caught.value)
    await connector.close()


async def test_an_agent_is_used_only_when_the_address_says_so(
    harness: RunnerHarness, sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, socket = tmp_path / "key", tmp_path / "agent"
    sshd.user_key.write_private_key(key)
    key.chmod(0o600)
    agent = await asyncio.create_subprocess_exec("ssh-agent", "-D", "-a", socket, stdout=subprocess.PIPE)
    try:
        assert agent.stdout is not None
        await agent.stdout.readline()
        added = await asyncio.create_subprocess_exec(
            "ssh-add", "-q", key, env={"SSH_AUTH_SOCK": str(socket), "PATH": "/usr/bin:/bin"}
        )
        assert await added.wait() == 0
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        harness.secret = {}
        without, with_agent = await harness.open(), await harness.open(agent_socket=str(socket))
        with pytest.raises(CredentialError):
            await without.submit(new_intent(harness.spec()))
        assert isinstance(await with_agent.submit(new_intent(harness.spec())), Accepted)
        await with_agent.close()
    finally:
        agent.terminate()
        await agent.wait()


# --------------------------------------------------------------------------------------- the line


async def test_nobody_there_means_not_sent(harness: RunnerHarness, sshd: SshServer) -> None:
    async with line_to(sshd.port) as line:
        pass
    connector = await harness.open(port=line.port, host_keys=[sshd.fingerprint])
    answer = await connector.submit(new_intent(harness.spec()))
    assert isinstance(answer, NotSent)
    assert answer.reason.code == "no_connection"


async def test_a_line_cut_after_the_request_leaves_one_execution(harness: RunnerHarness, sshd: SshServer) -> None:
    async with line_to(sshd.port) as line:
        connector = await harness.open(port=line.port, host_keys=[sshd.fingerprint])
        intent = new_intent(harness.spec())
        assert (await connector.look(LookQuery(doubts=(intent,)))).complete
        line.deaf_after = 16_000  # the command is there, and the job on its way
        submitting = asyncio.create_task(connector.submit(intent))
        while not harness.journal.exists():
            await asyncio.sleep(0.01)
        line.deaf, line.deaf_after = False, 1 << 60
        line.cut()
        answer = await submitting
        assert isinstance(answer, Unknown), answer
        snapshot = await seen(connector, intent)
        assert snapshot.entries[0].state is RemoteState.SUCCEEDED
        assert await harness.count(intent.execution_id) == 1
        await connector.close()


async def test_a_reply_that_never_comes_is_unknown(harness: RunnerHarness, sshd: SshServer) -> None:
    async with line_to(sshd.port) as line:
        connector: Any = await harness.open(port=line.port, host_keys=[sshd.fingerprint])
        intent = new_intent(harness.spec())
        assert (await connector.look(LookQuery(doubts=(intent,)))).complete
        line.deaf, connector.machine._timeout_s = True, 0.5
        answer = await connector.submit(intent)
        assert isinstance(answer, Unknown), answer
        line.deaf, connector.machine._timeout_s = False, 10
        line.cut()
        await connector.look(LookQuery(doubts=(intent,)))  # may be the one that notices
        assert (await connector.look(LookQuery(doubts=(intent,)))).complete, "a lost connection is made again"
        await connector.close()


# --------------------------------------------------------------------------------------- who survives whom


_WORKER = """
import asyncio, json, sys
sys.path[:0] = json.loads(sys.argv[2])
from runner_world import RunnerHarness, new_intent
from afield.connectors.ssh.connector import SshConnector
from pathlib import Path

async def main():
    given = json.loads(sys.argv[1])
    harness = RunnerHarness(SshConnector, Path(given["folder"]), **given["address"])
    harness.secret = given["secret"]
    connector = await harness.open()
    intent = new_intent(harness.spec(long=True))
    await connector.submit(intent)
    print(intent.key, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.crash
async def test_a_script_survives_its_worker_and_is_found_by_its_key(harness: RunnerHarness, sshd: SshServer) -> None:
    import json

    given = {"folder": str(harness.folder), "address": sshd.address, "secret": sshd.secret}
    paths = json.dumps([str(Path(sys.modules["runner_world"].__file__ or "").parent)])
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WORKER, json.dumps(given), paths, stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    key = (await worker.stdout.readline()).decode().strip()
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    connector = await harness.open()
    snapshot = await connector.look(LookQuery(since=harness.clock.now()))
    assert [(entry.name, entry.state) for entry in snapshot.entries] == [(key, RemoteState.RUNNING)]
    assert alive(key)
    assert await connector.cancel(key) is Cancellation.ASKED
    while (await connector.look(LookQuery(since=harness.clock.now()))).entries[0].state is RemoteState.RUNNING:
        await asyncio.sleep(0.02)
    assert alive(key) == []
    await connector.close()


# --------------------------------------------------------------------------------------- diagnosing


async def test_the_ladder_climbs_from_the_network_to_the_disk(harness: RunnerHarness, connector: Any) -> None:
    verdicts = {check.name: (await check.probe()).verdict for check in connector.ladder()}
    names = ["reachable", "host_key", "login", "runner", "state_dir", "space", "clock"]
    assert verdicts == dict.fromkeys(names, CheckVerdict.OK)
    assert list((harness.folder).iterdir()) == []


async def test_the_ladder_tells_the_rung_that_breaks(harness: RunnerHarness, sshd: SshServer) -> None:
    harness.secret = {"password": "wrong"}
    connector = await harness.open()
    ladder = {check.name: check for check in connector.ladder()}
    refused = await ladder["login"].probe()
    assert refused.verdict is CheckVerdict.FAIL
    assert getpass.getuser() in refused.cause
    async with line_to(sshd.port) as line:
        pass
    away = await harness.open(port=line.port)
    reachable = await next(iter(away.ladder())).probe()
    assert reachable.verdict is CheckVerdict.FAIL
    assert reachable.next_step
