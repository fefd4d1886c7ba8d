"""The wheel installs and starts in a clean environment, with nothing but the locked dependencies beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from project_tree import ROOT, copy_tree

from afield import __version__

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_UV = Path(sys.executable).parent / "uv"
_BUILD = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]


def _run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_tree(tmp_path_factory.mktemp("clone"))
    _run(*_BUILD, folder / "dist", ".", cwd=folder)
    (built,) = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    _run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    lock = ROOT / "requirements" / "base.txt"
    _run(_UV, "pip", "sync", "--quiet", "--python", python, "--require-hashes", lock, cwd=folder)
    _run(_UV, "pip", "install", "--quiet", "--python", python, "--no-deps", wheel, cwd=folder)
    return folder


def test_everything_is_in_the_wheel(wheel: Path) -> None:
    packages = ("afield", "afield_sandbox", "afield_sim")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.partition("/")[0] in packages}
    source = {
        str(path.relative_to(ROOT / "src"))
        for package in packages
        for path in (ROOT / "src" / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == source


def test_afield_starts(environment: Path) -> None:
    printed = _run(environment / "venv" / "bin" / "afield", "--version", cwd=environment)
    assert printed.strip() == f"afield {__version__}"


def test_the_simulator_starts(environment: Path) -> None:
    assert "--ready-file" in _run(environment / "venv" / "bin" / "afield-sim", "--help", cwd=environment)


def test_the_dependencies_agree(environment: Path) -> None:
    _run(_UV, "pip", "check", "--python", environment / "venv" / "bin" / "python", cwd=environment)
