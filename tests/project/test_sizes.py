"""Small files and small functions: what grows past these limits hides a second idea."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest
from project_tree import ROOT, SRC, files


class Function(NamedTuple):
    lines: int
    where: str


def _python(folder: Path) -> Iterator[Path]:
    return (path for path in files(folder) if path.suffix == ".py")


def _functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield Function(node.end_lineno - node.lineno + 1, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")


@pytest.mark.parametrize(("folder", "limit"), [("src", 450), ("scripts", 450), ("benchmarks", 450), ("tests", 700)])
def test_files_are_short(folder: str, limit: int) -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in _python(ROOT / folder)
    }
    assert {name: lines for name, lines in lengths.items() if lines >= limit} == {}


def test_functions_are_short() -> None:
    functions = [function for path in _python(SRC) for function in _functions(path)]
    assert [f for f in functions if f.lines > 60] == []
    assert median(f.lines for f in functions) < 10
    long = sorted(f for f in functions if f.lines > 35)
    assert len(long) <= len(functions) * 0.02, f"more than few functions have over 35 lines: {long}"
