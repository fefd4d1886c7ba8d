"""What a run's ending means. Pure."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from enum import StrEnum

from afield_sandbox.model import Limits, Stage, Stream, Verdict
from afield_sandbox.wire import Report


class Stop(StrEnum):
    """Why the keeper ended a run."""

    WALL = "wall"
    STDOUT = "stdout"
    STDERR = "stderr"
    ASKED = "asked"


OVERFLOW = {Stream.STDOUT: Stop.STDOUT, Stream.STDERR: Stop.STDERR}


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about how a run ended. No report: its init ended without one."""

    report: Report | None
    stop: Stop | None = None
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, and how the program itself ended if it did."""

    verdict: Verdict
    message: str = ""
    exit_code: int | None = None
    signal: str | None = None


def judge(evidence: Evidence, limits: Limits, stage: Stage) -> Judgement:
    """Limits first, in the order in which they explain each other; then how the program ended."""
    report = evidence.report
    if report is not None and report.error:
        return Judgement(Verdict.INTERNAL_ERROR, report.error)
    if broken := _broken_limit(evidence, limits):
        return broken
    if evidence.stop is Stop.ASKED:
        return Judgement(Verdict.SIGNAL, "Ended on request.", signal="SIGKILL")
    if report is None:
        return Judgement(Verdict.INTERNAL_ERROR, "The worker was ended from outside, with its run under way.")
    return _ended_by_itself(report.status, stage)


def _broken_limit(evidence: Evidence, limits: Limits) -> Judgement | None:
    report, stop = evidence.report, evidence.stop
    if stop in {Stop.STDOUT, Stop.STDERR}:
        text = f"More than {limits.output_bytes} bytes on {stop}."
        return Judgement(Verdict.OUTPUT_LIMIT, text, signal="SIGKILL")
    if report is not None and report.why == "scratch":
        return Judgement(Verdict.OUTPUT_LIMIT, "More in the private folder than it may hold.", signal="SIGKILL")
    if evidence.out_of_memory or (report and (report.out_of_memory or report.why == "memory")):
        return _out_of_memory(report, limits)
    if stop is Stop.WALL:
        return Judgement(Verdict.TIME_LIMIT, f"Longer than {limits.wall_s:g} s.", signal="SIGKILL")
    if report is not None and (report.why == "cpu" or _signal_of(report.status) == "SIGXCPU"):
        return Judgement(Verdict.TIME_LIMIT, f"More than {limits.cpu_s:g} s of CPU time.", signal="SIGKILL")
    return None


def _out_of_memory(report: Report | None, limits: Limits) -> Judgement:
    text = f"More than {limits.memory_bytes} bytes of memory."
    if report is not None and not report.why and os.WIFEXITED(report.status):
        return Judgement(Verdict.MEMORY_LIMIT, text, exit_code=os.WEXITSTATUS(report.status))
    return Judgement(Verdict.MEMORY_LIMIT, text, signal="SIGKILL")


def _ended_by_itself(status: int, stage: Stage) -> Judgement:
    failed = Verdict.COMPILE_ERROR if stage is Stage.COMPILE else Verdict.RUNTIME_ERROR
    if name := _signal_of(status):
        verdict = failed if stage is Stage.COMPILE else Verdict.SIGNAL
        return Judgement(verdict, f"Ended by {name}.", signal=name)
    code = os.WEXITSTATUS(status)
    if code:
        return Judgement(failed, f"Exited with status {code}.", exit_code=code)
    return Judgement(Verdict.OK, exit_code=0)


def _signal_of(status: int) -> str | None:
    if not os.WIFSIGNALED(status):
        return None
    number = os.WTERMSIG(status)
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals between the first and the last have no name
        return f"SIG{number}"
