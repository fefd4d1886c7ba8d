"""What the code imports is declared, and what is declared is locked, with hashes."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from project_tree import ROOT, SRC, files

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_RUNTIME = [Requirement(text) for text in _PROJECT["project"]["dependencies"]]
_EXTRAS = {name: [*map(Requirement, texts)] for name, texts in _PROJECT["project"]["optional-dependencies"].items()}
_GROUPS = {name: [*map(Requirement, texts)] for name, texts in _PROJECT["dependency-groups"].items()}
_DEV = [*_RUNTIME, *(r for rs in _EXTRAS.values() for r in rs), *_GROUPS["dev"], *_GROUPS["docs"]]
_LOCKS = {"base.txt": [*_RUNTIME, *_EXTRAS["sim"]], "dev.txt": _DEV, "bootstrap.txt": [Requirement("uv")]}

_PROVIDERS = packages_distributions()


def _imported(package: Path) -> Iterator[tuple[str, str]]:
    """Top-level module and place of every absolute import."""
    for path in (path for path in files(package) if path.suffix == ".py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                yield from ((alias.name.partition(".")[0], place) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0], place


def _undeclared(package: Path, declared: list[Requirement]) -> list[str]:
    names = {canonicalize_name(requirement.name) for requirement in declared}
    ours = {"afield", "afield_sim", "afield_sandbox", "_typeshed"} | sys.stdlib_module_names
    return [
        f"{place} {module}"
        for module, place in _imported(package)
        if module not in ours and not names & {canonicalize_name(name) for name in _PROVIDERS.get(module, [])}
    ]


def test_every_import_is_a_declared_dependency() -> None:
    extras = ("azure", "bigquery", "llm", "provisioning", "ssh", "testing")
    assert _undeclared(SRC / "afield", [*_RUNTIME, *(one for extra in extras for one in _EXTRAS[extra])]) == []
    assert _undeclared(SRC / "afield_sim", [*_RUNTIME, *_EXTRAS["sim"]]) == []
    assert _undeclared(SRC / "afield_sandbox", _RUNTIME) == []


def _locked(name: str) -> dict[str, list[str]]:
    """Versions by package; universal locks may hold several, each for some platform."""
    found: dict[str, list[str]] = {}
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    for match in re.finditer(r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)", text, flags=re.MULTILINE):
        found.setdefault(canonicalize_name(match[1]), []).append(match[2])
    return found


@pytest.mark.parametrize("name", _LOCKS)
def test_the_lock_fits_what_is_declared(name: str) -> None:
    locked = _locked(name)
    bad = [
        str(requirement)
        for requirement in _LOCKS[name]
        if not any(map(requirement.specifier.contains, locked.get(canonicalize_name(requirement.name), [])))
    ]
    assert bad == [], "run `make lock`"


@pytest.mark.parametrize("name", _LOCKS)
def test_every_locked_version_has_hashes(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    assert [line for line in text.splitlines() if line and "--hash=sha256:" not in line] == []


def test_what_is_installed_was_tested() -> None:
    dev = _locked("dev.txt")
    assert {name: v for name, v in _locked("base.txt").items() if not {*v} <= {*dev.get(name, [])}} == {}
    assert [Version(v) for v in _locked("bootstrap.txt")["uv"]] == [Version(v) for v in dev["uv"]]
