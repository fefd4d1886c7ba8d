"""In CI a skipped test is a failure: a check that quietly does not run protects nobody."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from itertools import islice

import pytest
from hypothesis import settings

# How hard properties are searched: quickly with every change, for long with HYPOTHESIS_PROFILE=thorough.
# No deadline for one example: on a busy machine it would tell about the machine.
settings.register_profile("usual", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs us in the background has us ignore Ctrl-C; the commands that tests interrupt would, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_STRICT = os.environ.get("CI", "").lower() == "true"


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if _STRICT and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, which CI does not allow. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that take long come first, dealt out to the workers, so that none of them is left to the end alone.

    xdist gives each worker a share of the list as it stands, then lets idle ones take from the ends of the others'.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("slow")]
    others = iter([item for item in items if not item.get_closest_marker("slow")])
    left, dealt = len(items), list[pytest.Item]()
    for number in range(workers):
        share = left // (workers - number)
        mine = long[number::workers]
        dealt += [*mine, *islice(others, max(0, share - len(mine)))]
        left -= share
    items[:] = [*dealt, *others]
