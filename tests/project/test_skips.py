"""A skipped test fails in CI, and only there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from project_tree import ROOT

_SKIPPING = {
    "mark": """
import pytest
@pytest.mark.skip(reason='why')
def test_it(): pass
""",
    "call": "import pytest\ndef test_it(): pytest.skip('why')\n",
    "fixture": """
import pytest
@pytest.fixture
def fixture(): pytest.skip('why')
def test_it(fixture): pass
""",
    "module": "import pytest\npytest.skip('why', allow_module_level=True)\n",
    "import": "import pytest\npytest.importorskip('no_such_module')\ndef test_it(): pass\n",
}
_XFAIL = """
import pytest
@pytest.mark.xfail(reason='known')
def test_it(): assert False
"""


def _run(folder: Path, sources: dict[str, str], ci: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for name, source in sources.items():
        (folder / f"test_{name}.py").write_text(f"{source}\ndef test_other(): pass\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "--continue-on-collection-errors", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env=environment | {"CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skip_fails_in_ci(tmp_path: Path) -> None:
    result = _run(tmp_path, _SKIPPING, "true")
    assert result.returncode in {1, 2}, result.stdout
    assert result.stdout.count("skipped, which CI does not allow") >= len(_SKIPPING)
    failed = set(re.findall(r"^(?:FAILED|ERROR) test_(\w+)\.py", result.stdout, flags=re.MULTILINE))
    assert failed == set(_SKIPPING)


def test_a_skip_is_fine_elsewhere(tmp_path: Path) -> None:
    assert _run(tmp_path, {"mark": _SKIPPING["mark"], "xfail": _XFAIL}, "").returncode == 0


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    assert _run(tmp_path, {"xfail": _XFAIL}, "true").returncode == 0
