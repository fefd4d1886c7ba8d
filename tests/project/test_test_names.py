"""Test folders are no packages, so that a module's name has to be its own in all of them; else one hides another."""

from __future__ import annotations

from collections import Counter

from project_tree import ROOT, files


def test_names_of_test_modules_are_unique() -> None:
    names = Counter(path.name for path in files(ROOT / "tests") if path.suffix == ".py")
    assert {name: count for name, count in names.items() if count > 1 and name != "conftest.py"} == {}
