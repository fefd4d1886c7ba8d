"""Hostile programs find nothing, change nothing and reach nobody, and the next run is unharmed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks import _CALL, _TRY, ATTACKS

from afield_sandbox import JailSettings, Limits, LocalJail, Submission, Verdict

pytestmark = pytest.mark.asyncio(loop_scope="module")


def python(code: str, **limits: float) -> Submission:
    return Submission.of("python", code, limits=Limits(**limits))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ATTACKS)
async def test_attack_comes_to_nothing(jail: LocalJail, name: str) -> None:
    attack = ATTACKS[name]
    allowed = attack.lines(namespaces=jail.probe().namespaces)
    if allowed is None:
        pytest.xfail("known to come to something without namespaces")
    for _ in range(2):  # the second run finds nothing of the first
        outcome = await jail.run(python(attack.source, memory_bytes=512 << 20))
        assert outcome.verdict is Verdict.OK, (outcome.stdout, outcome.stderr, outcome.message)
        lines = set(outcome.stdout.decode().splitlines())
        assert lines
        assert lines <= allowed, outcome.stdout


async def test_memory_that_is_nobodys_is_had_only_where_it_is_counted(jail: LocalJail) -> None:
    outcome = await jail.run(python(_TRY + _CALL + "print(call(319, id(b'x'), 0))"))
    assert outcome.stdout == (b"DONE\n" if jail.probe().memory_cgroup else b"EPERM\n")


async def test_files_of_this_host_are_not_there(jail: LocalJail, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("CANARY")
    secret.chmod(0o644)
    places = [str(secret), str(Path(__file__)), str(Path.home() / ".bashrc"), str(Path.home() / ".ssh"), "/etc/passwd"]
    code = (
        f"for place in {places!r}:\n    try:\n        text = open(place).read()\n"
        "        print('CANARY' in text, 'root:' in text)\n    except OSError:\n        print('NO')"
    )
    outcome = await jail.run(python(code))
    assert set(outcome.stdout.decode().splitlines()) <= {"NO", "False False"}
    assert outcome.stdout.startswith(b"NO\nNO\n")


@pytest.fixture
def listener() -> Iterator[str]:
    """Somebody who listens on this host, under an abstract name."""
    name = f"sandbox-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        yield name


_KNOCK = "s = socket.socket(socket.AF_UNIX)\nattempt(lambda: s.connect(chr(0) + {!r}))"


async def test_abstract_sockets_of_this_host_are_not_there(jail: LocalJail, listener: str) -> None:
    outcome = await jail.run(python(_TRY + _KNOCK.format(listener)))
    assert outcome.stdout == b"ECONNREFUSED\n" or b"PermissionError" in outcome.stderr, outcome


@pytest.mark.parametrize(
    ("protection", "code", "with_it", "without_it"),
    [
        ("seccomp", _TRY + "attempt(lambda: socket.socket().family)", b"EPERM\n", b"2\n"),
        ("seccomp", _TRY + _CALL + "print(call(272, 0x10000000))", b"EPERM\n", b"DONE\n"),
        ("network", _TRY + _KNOCK, b"ECONNREFUSED\n", b"None\n"),
    ],
)
async def test_an_attack_shows_a_protection_that_is_off(
    strong_jail: LocalJail, listener: str, protection: str, code: str, with_it: bytes, without_it: bytes
) -> None:
    submission = python(code.replace("{!r}", repr(listener)))
    assert (await strong_jail.run(submission)).stdout == with_it
    weak = JailSettings(languages=("python",), lanes=1, without=frozenset({protection}))
    async with LocalJail(weak) as jail:
        assert (await jail.run(submission)).stdout == without_it
