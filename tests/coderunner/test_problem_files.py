"""Reading problems: what is wrong is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.coderunner.judging import Compare, Mode
from afield.coderunner.problems import ProblemError, load_problem, parse_problem
from afield.errors import InvalidInputError, NotFoundError

GOOD = """\
title: Sum
languages: [Python, c]
limits: {wall_s: 2}
compare: {mode: float, absolute: 0.5}
stop_at_first_failure: true
tests:
  - stdin: 1 2
    expected: "3"
  - name: hidden one
    stdin: ""
    expected: ""
    points: 2.5
    hidden: true
"""


def test_a_problem_is_read_whole() -> None:
    problem = parse_problem(GOOD)
    assert (problem.title, problem.languages, problem.stop_at_first_failure) == ("Sum", ("python", "c"), True)
    assert problem.limits.wall_s == 2
    assert problem.compare.compare() == Compare(Mode.FLOAT, absolute=0.5)
    assert [(test.expected, test.points, test.hidden) for test in problem.tests] == [("3", 1, False), ("", 2.5, True)]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 1, "it is not a mapping"),
        ("- a", 1, "it is not a mapping"),
        ("title: a: b", 1, "this is not YAML"),
        ("title: a\ntitle: b\ntests: []", 2, "the key 'title' is there twice"),
        ("a: &x 1\nb: *x", 2, "aliases"),
        ("a: " + "[" * 12, 1, "more than 8 levels"),
        ("tests: [{expected: a}]", 1, "title is missing"),
        ("title: a\ntests: []", 2, "tests: "),
        ("title: a\ntests:\n  - expected: 3", 3, "tests[0].expected must be a text; put it in quotes"),
        ("title: a\ntests:\n  - expected: 2020-01-01\n  - stdin: a", 4, "either expected or expected_file"),
        ("title: a\ntests:\n  - expected: a\n    stdn: b", 4, "tests[0].stdn is not a field"),
        ("title: a\ncompare: fuzzy\ntests: [{expected: a}]", 2, "compare.mode"),
        ("title: a\ncompare: {absolute: 1}\ntests: [{expected: a}]", 2, "a tolerance"),
        ("title: a\ncompare: float\ntests: [{expected: a}]", 2, "a tolerance"),
        ("title: a\nlimits:\n  wall_s: -1\ntests: [{expected: a}]", 3, "limits.wall_s"),
        ("title: a\ntests: [{expected: a, points: .inf}]", 2, "points"),
        ("title: a\ntests: [{expected: a, stdin: b, stdin_file: c}]", 2, "either stdin or stdin_file"),
        ("title: a\ntests: [{expected: a, stdin_file: c}]", 2, "cannot name files"),
        ("title: a\ntests: [" + "{expected: a}," * 201 + "]", 2, "at most 200"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, told: str) -> None:
    with pytest.raises(ProblemError) as refused:
        parse_problem(text)
    assert refused.value.flaws[0].line == line
    assert told in str(refused.value)


@given(st.text(alphabet=st.sampled_from("title:ab[]{}-&*!|>#'\"%@ \n\t\x00\ufeff0.5,"), max_size=60))
def test_any_text_is_a_problem_or_told_to_be_none(text: str) -> None:
    try:
        parse_problem(text)
    except ProblemError as error:
        assert error.flaws


def test_files_beside_the_problem_are_read(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("title: a\ntests: [{stdin_file: one.in, expected_file: sub/one.out}]")
    (tmp_path / "one.in").write_bytes(b"a\r\nb")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/one.out").write_text("ü")
    [test] = load_problem(path).tests
    assert (test.stdin, test.expected, test.stdin_file, test.expected_file) == ("a\r\nb", "ü", None, None)


@pytest.mark.parametrize(
    ("name", "error"),
    [("../secret", InvalidInputError), ("/etc/hostname", InvalidInputError), ("link", InvalidInputError),
     ("missing", NotFoundError), ("binary", NotFoundError), ("huge", InvalidInputError)],
)  # fmt: skip
def test_other_files_are_not(tmp_path: Path, name: str, error: type[Exception]) -> None:
    folder = tmp_path / "problem"
    folder.mkdir()
    (tmp_path / "secret").write_text("hush")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "binary").write_bytes(b"\xff\xfe\xfd")
    (folder / "huge").write_bytes(b"x" * (4 * 1024 * 1024 + 1))
    (folder / "p.yaml").write_text(f"title: a\ntests: [{{expected: a, stdin_file: {name}}}]")
    with pytest.raises(error):
        load_problem(folder / "p.yaml")
