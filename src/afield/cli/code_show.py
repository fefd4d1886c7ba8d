"""How runs of code look in a terminal, and what their exit codes mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from enum import IntEnum
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from afield.coderunner.judging import Judged, Judgement, TestVerdict
from afield.coderunner.pool import PoolView
from afield.coderunner.requests import RunReport
from afield.coderunner.runtimes import Runtime
from afield.connectors.coding import CodeResult, Verdict

_MIB = 1024 * 1024
_MOST_OWN = 125
_SIGNALS: Final = 128


class Ended(IntEnum):
    """Exit codes of `code run` that no program's own exit code and no signal can be taken for."""

    TIME_LIMIT = 224
    MEMORY_LIMIT = 225
    OUTPUT_LIMIT = 226
    COMPILE_ERROR = 227
    INTERNAL_ERROR = 228
    NO_RESULT = 229  # it was refused, goes on, or nobody knows


_CODES: Final[Mapping[Verdict, Ended]] = {
    Verdict.TIME_LIMIT: Ended.TIME_LIMIT,
    Verdict.MEMORY_LIMIT: Ended.MEMORY_LIMIT,
    Verdict.OUTPUT_LIMIT: Ended.OUTPUT_LIMIT,
    Verdict.COMPILE_ERROR: Ended.COMPILE_ERROR,
    Verdict.INTERNAL_ERROR: Ended.INTERNAL_ERROR,
}


def exit_code_of(result: CodeResult | None, signal_number: int = 0) -> int:
    """What `code run` ends with. A program's own code above 125 is told as 125, a signal as 128 and its number."""
    if result is None:
        return Ended.NO_RESULT
    if result.verdict is Verdict.OK:
        return 0
    if result.verdict is Verdict.SIGNAL:
        return _SIGNALS + signal_number
    if result.verdict is Verdict.RUNTIME_ERROR:
        return min(result.exit_code or 1, _MOST_OWN)
    return _CODES[result.verdict]


# --------------------------------------------------------------------------------------- one run


def report_json(report: RunReport) -> dict[str, object]:
    """A run's report, as the API tells it."""
    execution = report.execution
    return {
        "execution_id": execution.id,
        "target_id": execution.target_id,
        "state": execution.state,
        "reason": execution.reason,
        "complete": execution.complete,
        "created_at": execution.created_at,
        "started_at": execution.started_at,
        "finished_at": execution.finished_at,
        "result": report.result,
    }


def verdict_line(report: RunReport) -> Text:
    """What became of a run, in one line."""
    execution, result = report.execution, report.result
    if result is None:
        why = f": {execution.reason.text or execution.reason.code}" if execution.reason else ""
        return Text(f"no result  the execution {execution.id} is {execution.state}{why}", style="yellow")
    facts = [result.verdict.value.replace("_", " "), _how_it_ended(result), *_used(result)]
    facts += [f"{result.language} {result.version}".strip(), str(execution.id)]
    return Text("  ".join(fact for fact in facts if fact), style="green" if result.verdict is Verdict.OK else "red")


def _how_it_ended(result: CodeResult) -> str:
    if result.message:
        return result.message
    if result.signal:
        return result.signal
    return "" if result.exit_code is None else f"exit code {result.exit_code}"


def _used(result: CodeResult) -> list[str]:
    wall = "" if result.wall_ms is None else f"{result.wall_ms:.0f} ms"
    cpu = "" if result.cpu_ms is None else f"CPU {result.cpu_ms:.0f} ms"
    memory = "" if result.memory_bytes is None else f"{result.memory_bytes / _MIB:.1f} MiB"
    return [wall, cpu, memory]


# --------------------------------------------------------------------------------------- judged

_COLOURS: Final[Mapping[TestVerdict, str]] = {
    TestVerdict.ACCEPTED: "green",
    TestVerdict.SKIPPED: "white",
    TestVerdict.INTERNAL_ERROR: "yellow",
}


def judgement_json(judgement: Judgement) -> dict[str, object]:
    """A judgement, as the API tells it."""
    return asdict(judgement) | {"judged": judgement.judged}


def judgement_card(judgement: Judgement) -> RenderableType:
    """A line for each test, and the sum."""
    table = Table("test", "name", "verdict", "points", "time", "memory", "why", box=None, pad_edge=False)
    for test in judgement.tests:
        table.add_row(*_test_row(test))
    total = f"{_verdict(judgement.verdict)}  {judgement.points:g} of {judgement.maximum:g} points"
    return Group(table, "", Text(total, style=_COLOURS.get(judgement.verdict, "red")))


def _test_row(test: Judged) -> list[str | Text]:
    return [
        str(test.number),
        test.name or "-",
        Text(_verdict(test.verdict), style=_COLOURS.get(test.verdict, "red")),
        f"{test.points:g}/{test.maximum:g}",
        "-" if test.wall_ms is None else f"{test.wall_ms:.0f} ms",
        "-" if test.memory_bytes is None else f"{test.memory_bytes / _MIB:.1f} MiB",
        Text(test.reason),
    ]


def _verdict(verdict: TestVerdict) -> str:
    return verdict.value.replace("_", " ")


# --------------------------------------------------------------------------------------- pools


def runtimes_table(runtimes: Iterable[Runtime]) -> Table:
    """Languages, with their versions and other names."""
    table = Table("language", "version", "aliases", box=None, pad_edge=False)
    for one in runtimes:
        table.add_row(one.language, one.version, ", ".join(one.aliases) or "-")
    return table


def pools_table(views: Iterable[PoolView]) -> Table:
    """Pools, a line each."""
    headings = ("pool", "sessions", "in use", "kept", "waiting", "runs/min", "bears/min", "cooldown")
    table = Table(*headings, box=None, pad_edge=False)
    for view in views:
        table.add_row(
            view.pool,
            f"{view.sessions}/{view.size.sessions}",
            str(len(view.leases)),
            str(view.kept_sessions),
            str(sum(view.waiting.values())),
            _rate(view.runs_per_minute),
            _rate(view.sustained_per_minute),
            "-" if view.size.cooldown_s is None else f"{view.size.cooldown_s:g} s",
        )
    return table


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1f}"
