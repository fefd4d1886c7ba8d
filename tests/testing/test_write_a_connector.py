"""The code in docs/write-a-connector.md works: its connector passes the suite, run as a newcomer would run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "write-a-connector.md"


def _write_files(folder: Path) -> list[str]:
    blocks = re.findall(r"```python\n# file: (\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for name, code in blocks:
        (folder / name).write_text(code, encoding="utf-8")
    return [name for name, _ in blocks]


def _run_suite(folder: Path, *more: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_jobs.py"]
    options = ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI"))}
    ran = subprocess.run(
        [*command, *options, *more],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=55,
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_the_page_holds_a_connector_that_passes(tmp_path: Path) -> None:
    assert _write_files(tmp_path) == ["jobs_service.py", "jobs_connector.py", "test_jobs.py"]
    code, said = _run_suite(tmp_path)
    assert code == 0, said
    passed = re.search(r"(\d+) passed", said)
    assert passed, said
    assert int(passed.group(1)) >= 20


def test_the_suite_on_the_page_can_fail(tmp_path: Path) -> None:
    _write_files(tmp_path)
    connector = tmp_path / "jobs_connector.py"
    code = connector.read_text(encoding="utf-8")
    wrong = code.replace('return Unknown(Reason("no_reply"', 'return NotSent(Reason("no_reply"')
    assert wrong != code
    connector.write_text(wrong, encoding="utf-8")
    assert _run_suite(tmp_path, "-x")[0] == 1
