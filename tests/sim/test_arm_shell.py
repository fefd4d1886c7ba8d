"""Scripts as processes: confined or not, a kill leaves nothing of them."""

import asyncio
from pathlib import Path

import pytest

from afield_sim.arm import shell
from afield_sim.arm.shell import Confinement, Place, Script


@pytest.fixture(params=["best", "session"])
async def confinement(request: pytest.FixtureRequest) -> Confinement:
    return Confinement.SESSION if request.param == "session" else await shell.probe()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("vm-x", tmp_path / "vm", tmp_path / "vm" / "runs" / tmp_path.name)


def alive(seconds: int) -> int:
    """How many `sleep` of so many seconds there are on this machine."""
    wanted = f"sleep\0{seconds}\0".encode()
    count = 0
    for entry in Path("/proc").iterdir():
        try:
            count += entry.name.isdigit() and (entry / "cmdline").read_bytes() == wanted
        except OSError:
            continue
    return count


async def gone(seconds: int) -> None:
    while await asyncio.to_thread(alive, seconds):
        await asyncio.sleep(0.01)


async def test_a_kill_reaches_children_that_left_the_session(confinement: Confinement, place: Place):
    number = 76_000 + len(confinement)
    text = f"setsid sleep {number} & (setsid setsid sleep {number} &) ; echo ready; trap '' TERM; sleep {number}"
    run = await shell.start(confinement, place, Script(text))
    while (await run.tails(100))[0] != b"ready\n" or await asyncio.to_thread(alive, number) < 3:
        await asyncio.sleep(0.01)
    await run.kill()
    await asyncio.wait_for(gone(number), 5)
    assert run.killed


async def test_exit_code_output_and_arguments(confinement: Confinement, place: Place):
    script = Script('echo "$1-$2-$v"; echo bad >&2; kill -9 $$', ["a", "b c"], {"v": "quoted $1"})
    run = await shell.start(confinement, place, script)
    assert await run.wait() == 137
    assert (await run.tails(6), (await run.tails(100))[0]) == ((b"ed $1\n", b"bad\n"), b"a-b-quoted $1\n")


async def test_waiting_has_an_end(confinement: Confinement, place: Place):
    run = await shell.start(confinement, place, Script("sleep 1000"))
    assert await run.wait(0.01) is None
    await run.kill()
    assert await run.wait() == 137


async def test_a_confined_script_sees_its_own_machine_only(place: Place):
    best = await shell.probe()
    run = await shell.start(
        best, place, Script("pwd; hostname; ls $TMPDIR | wc -l; touch /usr 2>/dev/null || echo refused; ls /")
    )
    await run.wait()
    lines = (await run.tails(4_096))[0].decode().split()
    if best is Confinement.SESSION:
        assert lines[0] == str(place.machine / "home")
    else:
        assert lines[:4] == [shell.HOME, "vm-x", "0", "refused"]
        assert "root" not in lines


def test_the_command_line_is_pure_and_says_what_is_shared(place: Place):
    own = shell.command_line(Confinement.OWN_NETWORK, place, ["a"])
    shared = shell.command_line(Confinement.SHARED_NETWORK, place, ["a"])
    assert [part for part in own if part not in shared] == ["--unshare-net"]
    assert shell.command_line(Confinement.SESSION, place, ["a b"]) == ["/bin/bash", "-c", f"{place.run}/script.sh a b"]
