"""The whole way, on the pool of this machine: real adapter, real jail, nothing named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import psutil
import pytest

from afield.coderunner.judge import JudgedCode
from afield.coderunner.judging import TestVerdict
from afield.coderunner.problems import load_problem
from afield.coderunner.service import CodeRunner, RunReport, RunRequest
from afield.config import Settings
from afield.connectors.coding import CodeFile, CodeLimits, CodeSpec, Verdict
from afield.inline import Inline
from afield.kernel import open_kernel
from afield.ledger.base import EventFilter, ExecutionFilter
from afield.model.execution import Event
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT

EXAMPLES = Path(__file__).parents[2] / "examples" / "problems"


@pytest.fixture
async def runner(tmp_path: Path, slots_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CodeRunner]:
    """Its pool's process lives in the test's own folder, and ends with the test."""
    monkeypatch.setenv("AFIELD_HOME", str(tmp_path))
    before = set(psutil.Process().children())
    async with open_kernel(Settings(home=tmp_path, database_url=slots_url)) as kernel:
        inline = Inline(kernel)
        made = CodeRunner(kernel, inline)
        try:
            yield made
        finally:
            await made.close()
            await inline.close()
            await asyncio.to_thread(_end, tmp_path, before)


def _end(home: Path, before: set[psutil.Process]) -> None:
    mine = [one for one in psutil.process_iter(["cmdline"]) if str(home) in " ".join(one.info["cmdline"] or [])]
    mine += [one for one in psutil.Process().children() if one not in before and one not in mine]
    for process in mine:
        process.terminate()
    for process in psutil.wait_procs(mine, timeout=5)[1]:
        process.kill()


async def run(runner: CodeRunner, code: str, stdin: str = "", **limits: float) -> RunReport:
    spec = CodeSpec(
        language="python", files=(CodeFile(content=code),), stdin=stdin, limits=CodeLimits.model_validate(limits)
    )
    return await runner.run(RunRequest(spec=spec), user="ann")


async def test_code_runs_with_no_cloud_and_no_settings(runner: CodeRunner) -> None:
    report = await run(runner, "print(input()[::-1])", "hello")
    assert report.execution.state is ExecutionState.SUCCEEDED
    assert report.result is not None and report.result.stdout == "olleh\n"
    view = await runner.pool_view()
    assert view.pool == "local-pool" and view.leases == ()
    slow = await run(runner, "while True: pass", wall_s=0.5)
    assert slow.result is not None and slow.result.verdict is Verdict.TIME_LIMIT
    many = await asyncio.gather(*(run(runner, f"print({n})") for n in range(20)))
    assert [one.result.stdout if one.result else None for one in many] == [f"{n}\n" for n in range(20)]


async def test_a_solution_is_judged_in_the_jail(runner: CodeRunner) -> None:
    problem = await asyncio.to_thread(load_problem, EXAMPLES / "roads.yaml")
    for which, verdict in {"": TestVerdict.ACCEPTED, "_wrong": TestVerdict.WRONG_ANSWER}.items():
        code = await asyncio.to_thread((EXAMPLES / f"solutions/roads{which}.py").read_text)
        solution = JudgedCode(language="python", files=(CodeFile(content=code),))
        judgement = await runner.judge(problem, solution, user="ann")
        assert judgement.verdict is verdict, judgement


async def test_a_caller_who_goes_away_stops_the_program(runner: CodeRunner) -> None:
    ready = await run(runner, "print(1)")
    running = asyncio.create_task(run(runner, "import time\nwhile True: time.sleep(1)", wall_s=50))
    while not (await runner.pool_view()).leases:
        pass
    page = ExecutionFilter(tenant_id=DEFAULT_TENANT, states=frozenset({ExecutionState.SUBMITTING}))
    ledger = runner._kernel.ledger
    while not (await ledger.executions(page)).items:
        pass
    [row] = (await ledger.executions(page)).items
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    wanted = EventFilter(tenant_id=DEFAULT_TENANT, execution_id=row.id)
    async with aclosing(cast("AsyncGenerator[Event, None]", ledger.follow(wanted, after=0))) as events:
        async for event in events:
            if event.to_state in {ExecutionState.CANCELLED, ExecutionState.UNCONFIRMED}:
                break
    assert (await ledger.execution(row.id)).state is ExecutionState.CANCELLED
    assert ready.execution.id != row.id
