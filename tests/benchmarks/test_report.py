"""The figures find their place in the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.report import PAGE, SECTIONS, between, fill, table

MACHINE = {"cores": 2, "memory_gib": 24, "system": "Linux x86_64", "python": "3.11", "aiohttp": "3", "load_before": 0.1}


def test_text_between_markers_is_replaced_and_nothing_else() -> None:
    page = "before\n<!-- crash: begin -->\nold \\1\n<!-- crash: end -->\nafter\n"
    once = between(page, "crash", r"new \2")
    assert once == "before\n<!-- crash: begin -->\n\nnew \\2\n\n<!-- crash: end -->\nafter\n"
    assert between(once, "crash", r"new \2") == once


def test_a_page_without_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="no markers for calls"):
        between("nothing here", "calls", "x")


def test_the_page_has_a_place_for_every_section() -> None:
    page = PAGE.read_text()
    assert all(f"<!-- {name}: begin -->" in page and f"<!-- {name}: end -->" in page for name in SECTIONS)


def test_a_table_has_a_line_under_its_head() -> None:
    assert table(["a", "b"], [[1, 2]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_missed_aims_and_doubled_work_are_plain_to_see(tmp_path: Path) -> None:
    result = {
        "afield": {"after_send": 1, "during_repair": None},
        "peer": {"after_send": 2},
        "peer_name": "Peer",
        "aim_met": False,
        "notes": {"afield during_repair": "during_repair: it was not reached"},
        "versions": {},
        "machine": MACHINE,
    }
    (tmp_path / "crash.json").write_text(json.dumps(result))
    filled = fill("<!-- crash: begin --><!-- crash: end -->", tmp_path)
    assert "| `after_send` | 1 | **2** |" in filled
    assert "| `during_repair` | not known | n/a |" in filled
    assert "**missed**" in filled
    assert "it was not reached" in filled
