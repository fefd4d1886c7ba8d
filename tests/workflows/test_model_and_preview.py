"""What a run is made of, and the head of its results."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workflow_rows import WORKFLOW_ID, a_workflow

from afield.errors import InvalidInputError
from afield.workflows.model import Run, labels_of, spec_of
from afield.workflows.preview import parse_preview, read_preview


def test_what_a_run_gives_goes_before_what_the_workflow_presets() -> None:
    workflow = a_workflow(
        parameters={"a": "1", "b": "2"}, time_window={"type": "ALL"}, options={"dry_run": False, "x": 1}
    )
    assert spec_of(workflow, Run()) == {
        "sql_query": "SELECT 1",
        "workflow_name": "Weekly reach",
        "parameter_values": {"a": "1", "b": "2"},
        "time_window": {"type": "ALL"},
        "dry_run": False,
        "x": 1,
    }
    run = Run(parameters={"b": "3"}, time_window={"type": "MOST_RECENT_DAY"}, options={"dry_run": True})
    assert spec_of(workflow, run) == {
        "sql_query": "SELECT 1",
        "workflow_name": "Weekly reach",
        "parameter_values": {"a": "1", "b": "3"},
        "time_window": {"type": "MOST_RECENT_DAY"},
        "dry_run": True,
        "x": 1,
    }


@pytest.mark.parametrize("name", ["sql_query", "workflow_name", "parameter_values", "time_window"])
def test_an_option_cannot_stand_in_for_a_field(name: str) -> None:
    with pytest.raises(InvalidInputError, match=name):
        spec_of(a_workflow(), Run(options={name: "x"}))
    with pytest.raises(InvalidInputError, match=name):
        spec_of(a_workflow(options={name: "x"}), Run())


def test_labels() -> None:
    mine = {"product": "workflows", "workflow_id": str(WORKFLOW_ID)}
    assert labels_of(a_workflow(), Run()) == mine | {"triggered_by": "manual"}
    assert labels_of(a_workflow(created_by="ann"), Run(triggered_by="schedule")) == mine | {
        "triggered_by": "schedule",
        "user_email": "ann",
    }
    assert labels_of(a_workflow(created_by="ann"), Run(user_email="ben"))["user_email"] == "ben"


@pytest.mark.parametrize(
    ("data", "most", "at_end", "columns", "rows", "whole"),
    [
        (b"", 5, True, [], [], True),
        (b"a,b\n", 5, True, ["a", "b"], [], True),
        (b"a,b\r\n1,2\r\n", 5, True, ["a", "b"], [["1", "2"]], True),
        (b"\xef\xbb\xbfa\n1\n2\n", 1, True, ["a"], [["1"]], False),
        (b"a\n1\n2\n", 2, True, ["a"], [["1"], ["2"]], True),
        (b'a\n"x\ny"\n2', 5, True, ["a"], [["x\ny"], ["2"]], True),
        (b"a\n1\n23", 5, False, ["a"], [["1"]], False),
        (b"a\n1\n\xc3", 5, False, ["a"], [], False),
        (b"a\n1\n", 0, True, ["a"], [], False),
        (b"abc", 5, False, [], [], False),
    ],
)
def test_the_head_of_a_csv(
    data: bytes, most: int, at_end: bool, columns: list[str], rows: list[list[str]], whole: bool
) -> None:
    found = parse_preview(data, most, at_end=at_end)
    assert (found.columns, found.rows, found.whole) == (columns, rows, whole)


_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff"), min_size=1, max_size=5)


@given(rows=st.lists(st.lists(_CELL, min_size=2, max_size=2), min_size=1, max_size=8), cut=st.integers(0, 200))
def test_a_cut_never_invents_a_row(rows: list[list[str]], cut: int) -> None:
    quoted = "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows).encode()
    found = parse_preview(quoted[:cut], 100, at_end=False)
    seen = [found.columns, *found.rows] if found.columns else []
    assert seen == rows[: len(seen)]


def test_a_field_beyond_the_parsers_limit_ends_the_preview() -> None:
    found = parse_preview(b"a\n1\n" + b"x" * 200_000 + b"\n3\n", 10, at_end=True)
    assert (found.columns, found.rows) == (["a"], [["1"]])
    assert not found.whole


async def test_no_more_is_read_than_needed() -> None:
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        yield b"a\n"
        while True:
            read += 1
            yield b"1\n" * 1000

    found = await read_preview(pieces(), 3)
    assert found.rows == [["1"]] * 3
    assert not found.whole
    assert read * 2000 < 300_000
