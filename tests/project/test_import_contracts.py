"""The import contracts notice when they are broken. (That they hold, `make imports` says.)"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project_tree import ROOT, SRC

_LINTER = Path(sys.executable).parent / "lint-imports"

_BREAKS = [
    ("afield.model.states", "asyncio", "The model is pure"),
    ("afield.model.target", "afield.clock", "The model is pure"),
    ("afield.connectors.base", "afield.ledger.base", "imports point down"),
    ("afield.engine.plan", "afield.reconcile.compare", "imports point down"),
    ("afield.engine.plan", "time", "Decisions are pure"),
    ("afield.engine.look", "afield.connectors.amc.wire", "The engine knows the contract"),
    ("afield.ledger.base", "afield.connectors.registry", "The ledger knows"),
    ("afield.cli.run", "afield.testing", "connector authors"),
    ("afield.api", "afield.engine.worker", "The web process"),
    ("afield_sim", "afield.clock", "do not know each other"),
]


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # The copy has to be found before the editable install of the project.
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [_LINTER, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def _copy(folder: Path) -> Path:
    shutil.copytree(SRC, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


def _file(folder: Path, module: str) -> Path:
    path = folder.joinpath("src", *module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy with all the wrong imports, and a part that has no place."""
    folder = _copy(tmp_path_factory.mktemp("broken"))
    for module, imported, _ in _BREAKS:
        path = _file(folder, module)
        path.write_text(f"{path.read_text(encoding='utf-8')}\nimport {imported}\n", encoding="utf-8")
    _file(folder, "afield.newcomer").write_text("", encoding="utf-8")
    result = _lint(folder)
    assert result.returncode == 1, result.stderr
    return result.stdout


@pytest.mark.parametrize(("module", "imported", "contract"), _BREAKS, ids=[f"{m} -> {i}" for m, i, _ in _BREAKS])
def test_a_wrong_import_is_told(broken: str, module: str, imported: str, contract: str) -> None:
    lines = broken.splitlines()
    assert [line for line in lines if contract in line and line.endswith(" BROKEN")], broken
    assert f"{module} -> {imported}" in broken


def test_a_new_part_needs_a_place(broken: str) -> None:
    assert "newcomer" in broken
