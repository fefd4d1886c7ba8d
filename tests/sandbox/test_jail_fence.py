"""The jail without namespaces, and the jail of an ordinary user: what holds, what is refused, what is cleared away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hello import HELLO

import afield_sandbox
from afield_sandbox import JailSettings, Level, Limits, LocalJail, Submission, TooWeakError, Verdict, leftovers
from afield_sandbox.keeper import folders

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = os.getuid() == 0
_ORDINARY = 65534
_FENCE = JailSettings(level=Level.LANDLOCK, minimum=Level.LANDLOCK, languages=("python", "bash"), lanes=2)


async def jailed(level: Level, *, user: int | None, forbidden: bool, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a jail in a process of its own says. `user`: who it is, None for who we are."""
    source = str(Path(afield_sandbox.__file__).parents[1])
    script = str(Path(__file__).with_name("jail_process.py"))
    python = str(Path(sys.executable).resolve())
    done = await asyncio.to_thread(
        subprocess.run,
        [python, "-I", "-S", "-B", script, source, level.name, "forbidden" if forbidden else "allowed", *without],
        user=user, group=user, extra_groups=[] if user else None,
        capture_output=True, text=True, cwd="/", check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _users() -> list[int | None]:
    return [None, _ORDINARY] if ROOT else [None]


@pytest.mark.parametrize("user", _users())
@pytest.mark.parametrize("forbidden", [False, True], ids=["namespaces", "no namespaces"])
async def test_every_kind_of_host_holds(user: int | None, forbidden: bool) -> None:
    said = await jailed(Level.FULL, user=user, forbidden=forbidden)
    assert said["uid"] == (user if user is not None else os.getuid())
    assert said["level"] == "LANDLOCK" if forbidden else said["level"] in {"NAMESPACES", "FULL"}
    assert said["wrong"] == []
    assert 20 <= said["bomb"] < 36
    assert said["daemons"] == ["ok", "up\n"]
    assert said["compiled"] == 7


@pytest.mark.skipif(not ROOT, reason="only root can give each lane a user of its own")
async def test_users_hold_where_landlock_cannot_hold_signals() -> None:
    said = await jailed(Level.LANDLOCK, user=None, forbidden=True, without=("scope",))
    assert said["wrong"] == []
    assert said["daemons"] == ["ok", "up\n"]


@pytest.mark.skipif(not ROOT, reason="an ordinary user is needed that is not us")
async def test_nothing_is_run_where_nothing_holds_signals() -> None:
    said = await jailed(Level.LANDLOCK, user=_ORDINARY, forbidden=True, without=("scope",))
    assert "cannot hold signals" in said["refused"]


@pytest.mark.parametrize("protection", ["landlock", "seccomp"])
async def test_the_attacks_show_a_protection_that_is_off(protection: str) -> None:
    said = await jailed(Level.LANDLOCK, user=None, forbidden=False, without=(protection,))
    succeeded = {line.partition(":")[0] for line in said["wrong"]}
    expected = {
        "landlock": {"only own processes", "command lines of others", "secrets of the host"},
        "seccomp": {"internet socket", "kernel calls", "System V objects of others"},
    }[protection]
    assert expected <= succeeded, said


async def test_every_language_runs_without_namespaces() -> None:
    settings = JailSettings(level=Level.LANDLOCK, minimum=Level.LANDLOCK, lanes=2)
    async with LocalJail(settings) as jail:
        for language in jail.languages():
            outcome = await jail.run(Submission.of(language.name, HELLO[language.name], stdin=b"abc\n"))
            assert (outcome.verdict, outcome.stdout) == (Verdict.OK, b"cba\n"), (language.name, outcome)


async def test_namespaces_are_the_least_unless_told_otherwise() -> None:
    with pytest.raises(TooWeakError, match="namespaces is required"):
        await LocalJail(JailSettings(level=Level.LANDLOCK, languages=("python",))).start()


@pytest.mark.skipif(not ROOT, reason="only root can give each lane a user of its own")
async def test_each_lane_is_a_user_of_its_own() -> None:
    async with LocalJail(_FENCE) as jail, LocalJail(_FENCE) as other:
        code = "import os, time; time.sleep(0.3); print(os.getuid())"
        runs = [one.run(Submission.of("python", code)) for one in (jail, other) for _ in range(2)]
        outcomes = await asyncio.gather(*runs)
    users = {int(outcome.stdout) for outcome in outcomes}
    assert len(users) == 4
    assert all(60200 <= user <= 60999 for user in users)


def _marked(mark: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or [])]


async def _until(count: int, mark: str) -> list[psutil.Process]:
    async with asyncio.timeout(20):
        while len(found := await asyncio.to_thread(_marked, mark)) != count:
            await asyncio.sleep(0.01)
    return found


_FAMILY = "for i in 1 2 3; do (setsid nohup sleep {0} & ) ; done; exec sleep {0}"


async def test_nothing_is_left_of_a_run_without_namespaces() -> None:
    async with LocalJail(_FENCE) as jail:
        code = _FAMILY.format(267914).replace("exec sleep 267914", "sleep 0.1; echo done")
        outcome = await jail.run(Submission.of("bash", code))
        assert (outcome.verdict, outcome.stdout) == (Verdict.OK, b"done\n")
        assert _marked("267914") == []


@pytest.mark.parametrize("victim", ["lane", "nursery"])
async def test_nothing_outlives_what_held_it(victim: str) -> None:
    mark = "433494" if victim == "lane" else "433495"
    async with LocalJail(_FENCE) as jail:
        running = asyncio.create_task(jail.run(Submission.of("bash", _FAMILY.format(mark), limits=Limits(wall_s=30))))
        family = await _until(4, mark)
        leader = next(process for process in family if "nohup" not in process.cmdline() and _is_worker(process, jail))
        parent = leader.parent()
        assert parent is not None
        pid = parent.pid if victim == "lane" else jail.pool.nursery_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await _until(0, mark)
        assert (await running).verdict is Verdict.INTERNAL_ERROR
        outcomes = await asyncio.gather(*(jail.run(Submission.of("python", "print(1)")) for _ in range(4)))
        assert {outcome.stdout for outcome in outcomes} == {b"1\n"}


def _is_worker(process: psutil.Process, jail: LocalJail) -> bool:
    parent = process.parent()
    return parent is not None and parent.ppid() == jail.pool.nursery_pid


def _left(pid: int) -> list[str]:
    places = {tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"}
    return [str(path) for place in places for path in Path(place).glob(f"afield-sandbox-{pid}-*")]


async def test_closing_leaves_no_process_and_no_folder() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    async with LocalJail(_FENCE) as jail:
        await jail.run(Submission.of("bash", "mkdir -m 0 closed; mkdir -p a/b/c; ln -s /etc a/b/etc; touch -- -rf"))
        assert len(_left(os.getpid())) == 1
    assert _left(os.getpid()) == []
    assert {child.pid for child in psutil.Process().children(recursive=True)} == before


_KEEPER = """
import asyncio, sys
sys.path.insert(0, {source!r})
from afield_sandbox import *
async def main():
    settings = JailSettings(level=Level.LANDLOCK, minimum=Level.LANDLOCK, languages=("bash",), lanes=2)
    async with LocalJail(settings) as jail:
        program = await jail.compile(Submission.of("bash", {code!r}))
        async with jail.started(program, lambda *_: None) as run:
            await run.finish()
asyncio.run(main())
"""


async def test_nothing_outlives_a_keeper_that_is_killed_without_namespaces() -> None:
    mark = "701408"
    script = _KEEPER.format(source=str(Path(afield_sandbox.__file__).parents[1]), code=_FAMILY.format(mark))
    keeper = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    await _until(4, mark)
    keeper.kill()
    await keeper.wait()
    await _until(0, mark)
    async with LocalJail(_FENCE):  # the next one clears away what is left
        assert _left(keeper.pid) == []


@pytest.fixture
def tangle(tmp_path: Path) -> Iterator[Path]:
    """A folder that is hard to be rid of."""
    folder = tmp_path / "tangle"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (folder / "1.afield").mkdir()
    (folder / "closed").mkdir(mode=0)
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("x" * 99, dir_fd=here)
        below = os.open("x" * 99, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    yield folder
    leftovers.remove(str(folder))


async def test_a_tangle_is_undone_and_what_it_points_to_stays(tangle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    assert await asyncio.to_thread(leftovers.holds_more, str(tangle), 1 << 30, 10_000)
    await asyncio.to_thread(leftovers.remove, str(tangle))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


async def test_private_folders_need_a_place_that_fits(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="allows running programs"):
        await asyncio.to_thread(folders.make, str(tmp_path / "not there"))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    if ROOT:
        with pytest.raises(OSError, match="open to pass through"):
            await asyncio.to_thread(folders.make, str(closed))
