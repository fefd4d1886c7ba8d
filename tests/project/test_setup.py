"""Setting up from nothing, and doing nothing when there is nothing to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from project_tree import ROOT, copy_tree

_BUILDS = ("hatchling==", "editables==", "packaging==", "pathspec==", "pluggy==", "trove-classifiers==", "uv==")
_TOOLS = ["bash", "dirname", "cat", "rm", "env"]


def _setup(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", folder / "scripts" / "setup.sh"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _which(tool: str) -> Path:
    return next(path for folder in os.get_exec_path() if (path := Path(folder) / tool).is_file())


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with the few tools the script uses, and without Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in _TOOLS:
        (folder / tool).symlink_to(_which(tool))
    return str(folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "scripts").mkdir(parents=True)
    for name in ("scripts/setup.sh", "pyproject.toml"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def test_without_python_it_says_what_to_do(project: Path, bare_path: str) -> None:
    result = _setup(project, PATH=bare_path, PYTHON="")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "no Python 3.11 or later found" in result.stderr
    assert not (project / ".venv").exists()


def test_an_old_python_is_passed_over(project: Path, bare_path: str) -> None:
    for name in ("python3.11", "python3", "python"):
        old = Path(bare_path) / name
        old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        old.chmod(0o755)
    assert "no Python 3.11 or later found" in _setup(project, PATH=bare_path, PYTHON="").stderr


def test_a_named_python_is_not_replaced_by_another(project: Path) -> None:
    result = _setup(project, PYTHON="no-such-python")
    assert result.returncode == 1
    assert "PYTHON=no-such-python is not a Python 3.11 or later" in result.stderr


def _keep_only_what_builds(folder: Path) -> None:
    """Locks with the build backend and its kin. All the rest was just installed by whoever runs this."""
    for name, kept in {"dev.txt": _BUILDS, "model.txt": ()}.items():
        lock = folder / "requirements" / name
        entries = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8"))
        lock.write_text("".join(f"{one.rstrip()}\n" for one in entries if one.startswith(kept)), encoding="utf-8")


@pytest.mark.timeout(120)
def test_from_nothing_and_then_nothing_to_do(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "clone")
    _keep_only_what_builds(folder)
    first = _setup(folder, PYTHON=sys.executable)
    assert first.returncode == 0, first.stderr
    assert "ready" in first.stderr
    python = folder / ".venv" / "bin" / "python"
    where = subprocess.check_output([python, "-c", "import afield; print(afield.__file__)"], text=True, cwd=tmp_path)
    assert where.strip() == str(folder / "src" / "afield" / "__init__.py")

    second = _setup(folder)
    assert (second.returncode, second.stderr) == (0, "")

    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8") + "\n# changed\n")
    third = _setup(folder)
    assert third.returncode == 0
    assert "ready" in third.stderr
    assert "dependencies" not in third.stderr
