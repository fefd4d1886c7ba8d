"""The demo as a user runs it: everything on one machine, broken on purpose."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

KEYS = {
    "sessions",
    "sessions_completed",
    "sessions_resumed",
    "steps_run_twice",
    "rollbacks",
    "conflicts_explained",
    *("runs", "wrong_verdicts", "runs_lost", "escapes", "diagnoses_right", "diagnoses"),
    *("submitted", "landed", "lost", "duplicated", "worker_kills", "database_kills", "adopted", "resubmitted"),
    *("jobs", "jobs_completed", "jobs_failed_as_planned", "making_when_killed", "agents_repeated_after_kill"),
    *("golden_passed", "golden", "questions_answered", "questions", "healthz_p99_ratio"),
    "seconds",
}


async def _demo(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    folder.chmod(0o755)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "afield", "demo", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": "/tmp"},
    )


def _family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_nothing_is_lost_and_nothing_runs_twice(tmp_path: Path) -> None:
    demo = await _demo(tmp_path, "--once", "--json")
    async with asyncio.timeout(290):
        out, err = await demo.communicate()
    assert demo.returncode == 0, err.decode()
    result = json.loads(out.decode().splitlines()[-1])
    assert set(result) == KEYS
    assert result["submitted"] >= 40
    assert result["landed"] == result["submitted"]
    assert (result["lost"], result["duplicated"]) == (0, 0)
    assert (result["worker_kills"], result["database_kills"]) == (4, 1)
    assert result["adopted"] >= 1
    assert result["resubmitted"] >= 1
    assert (result["sessions"], result["sessions_completed"], result["rollbacks"]) == (5, 4, 1)
    assert (result["steps_run_twice"], result["conflicts_explained"]) == (0, 1)
    assert result["sessions_resumed"] >= 1
    assert result["runs"] >= 500
    assert (result["wrong_verdicts"], result["runs_lost"], result["escapes"]) == (0, 0, 0)
    assert (result["diagnoses_right"], result["diagnoses"]) == (5, 5)
    assert (result["jobs"], result["jobs_completed"], result["jobs_failed_as_planned"]) == (4, 3, 1)
    assert result["making_when_killed"] >= 1
    assert result["agents_repeated_after_kill"] == 0
    assert result["golden"] >= 3 * 12
    assert result["golden_passed"] >= 0.9 * result["golden"]
    assert result["questions_answered"] == 3
    assert result["healthz_p99_ratio"] > 0
    assert "Nothing was lost and nothing ran twice." in err.decode()


@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    demo = await _demo(tmp_path)
    try:
        first = await demo.stdout.readline()  # type: ignore[union-attr]
        assert b"Starting" in first
        while b"All of them are there" not in await demo.stdout.readline():  # type: ignore[union-attr]
            pass
        family = _family(demo.pid)
        homes = [p.environ().get("AFIELD_HOME") for p in family if "worker" in p.cmdline()]
        demo.send_signal(signal.SIGINT)
        demo.send_signal(signal.SIGINT)
        _, err = await demo.communicate()
    finally:
        if demo.returncode is None:
            demo.kill()
            await demo.communicate()
    assert demo.returncode == 2
    assert b"stopped before its end" in err
    assert b"Traceback" not in err
    assert len(family) >= 3
    assert not psutil.wait_procs(family, timeout=5)[1]
    [home] = homes
    assert home is not None
    assert not Path(home).parent.exists()
