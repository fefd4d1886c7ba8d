"""Comparing outputs, and what a submission is worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.coderunner.judging import (
    Compare,
    Judged,
    Mode,
    TestVerdict,
    difference,
    judge_run,
    summed,
)
from afield.connectors.coding import CodeResult, Verdict

EXACT, TRIMMED, TOKENS = Compare(Mode.EXACT), Compare(Mode.TRIMMED), Compare(Mode.TOKENS)
NEAR = Compare(Mode.FLOAT, absolute=0.01)
FLOAT_REL = Compare(Mode.FLOAT, relative=1e-6)


@pytest.mark.parametrize(
    ("compare", "printed", "expected"),
    [
        (EXACT, "a\nb\n", "a\nb\n"),
        (EXACT, "a\r\nb", "a\nb"),
        (TRIMMED, "a  \nb\n\n\n", "a\nb"),
        (TRIMMED, "", "\n"),
        (TOKENS, "1 2\n3", "1\n2   3\n"),
        (TOKENS, "\u00e4 \u20ac", "\u00e4\n\u20ac"),
        (NEAR, "1.005 x", "1.0 x"),
        (NEAR, "1e0", "1"),
        (NEAR, "inf -inf nan", "inf -inf NaN"),
        (FLOAT_REL, "1000000.5", "1000000"),
    ],
)
def test_counts_as_equal(compare: Compare, printed: str, expected: str) -> None:
    assert difference(printed, expected, compare) is None


@pytest.mark.parametrize(
    ("compare", "printed", "expected", "told"),
    [
        (EXACT, "a\n", "a", "Line 2 is too much: ''."),
        (EXACT, "a \nb", "a\nb", "Line 1: expected 'a', got 'a '."),
        (TRIMMED, "a\n", "a\nb", "Line 2 is missing: expected 'b'."),
        (TRIMMED, "  a", "a", "Line 1: expected 'a', got '  a'."),
        (TOKENS, "1 2\n4", "1 2 3", "Token 3 (line 2): expected '3', got '4'."),
        (TOKENS, "1", "1 2", "Token 2 is missing: expected '2'."),
        (TOKENS, "1 2", "1", "Token 2 is too much: '2'."),
        (NEAR, "1.02", "1.0", "Token 1 (line 1): expected '1.0', got '1.02'."),
        (NEAR, "inf", "1", "Token 1 (line 1): expected '1', got 'inf'."),
        (NEAR, "1_0", "10", "Token 1 (line 1): expected '10', got '1_0'."),
        (NEAR, "a", "b", "Token 1 (line 1): expected 'b', got 'a'."),
        (TOKENS, "1.0", "1", "Token 1 (line 1): expected '1', got '1.0'."),
    ],
)
def test_the_first_difference_is_told(compare: Compare, printed: str, expected: str, told: str) -> None:
    assert difference(printed, expected, compare) == told


def test_long_lines_are_shown_around_the_difference() -> None:
    told = difference("x" * 5000 + "a" + "y" * 5000, "x" * 5000 + "b" + "y" * 5000, EXACT)
    assert told is not None
    assert told.startswith("Line 1: at character 5001 expected 'xxxxxxxxxxxxxxxxxxxxbyyy")
    assert len(told) < 200


@given(st.text(max_size=200))
def test_every_output_equals_itself_in_every_mode(text: str) -> None:
    for compare in (EXACT, TRIMMED, TOKENS, NEAR):
        assert difference(text, text, compare) is None


@given(st.text(max_size=100), st.text(max_size=100), st.sampled_from([EXACT, TRIMMED, TOKENS, NEAR]))
def test_modes_go_from_strict_to_lax_and_reasons_are_short(one: str, other: str, compare: Compare) -> None:
    told = difference(one, other, compare)
    assert told is None or len(told) < 400
    equal = [difference(one, other, mode) is None for mode in (EXACT, TRIMMED, TOKENS, NEAR)]
    assert equal == sorted(equal)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(0, 0.009))
def test_numbers_within_the_tolerance_count_as_equal(number: float, off: float) -> None:
    assert difference(f"{number + off:.17g}", f"{number:.17g}", Compare(Mode.FLOAT, 0.01, 1e-12)) is None


@pytest.mark.parametrize(
    ("result", "verdict", "reason"),
    [
        (CodeResult(verdict=Verdict.OK, stdout="3\n"), TestVerdict.ACCEPTED, ""),
        (CodeResult(verdict=Verdict.OK, stdout="4\n"), TestVerdict.WRONG_ANSWER, "Line 1: expected '3', got '4'."),
        (CodeResult(verdict=Verdict.TIME_LIMIT, stdout="3"), TestVerdict.TIME_LIMIT, ""),
        (CodeResult(verdict=Verdict.MEMORY_LIMIT), TestVerdict.MEMORY_LIMIT, ""),
        (CodeResult(verdict=Verdict.OUTPUT_LIMIT), TestVerdict.OUTPUT_LIMIT, ""),
        (CodeResult(verdict=Verdict.SIGNAL, signal="SIGSEGV"), TestVerdict.RUNTIME_ERROR, "It was ended by SIGSEGV."),
        (
            CodeResult(verdict=Verdict.RUNTIME_ERROR, exit_code=3),
            TestVerdict.RUNTIME_ERROR,
            "It ended with exit code 3.",
        ),
        (
            CodeResult(
                verdict=Verdict.COMPILE_ERROR, compile=CodeResult(verdict=Verdict.RUNTIME_ERROR, stderr="no such thing")
            ),
            TestVerdict.COMPILE_ERROR,
            "no such thing",
        ),
        (CodeResult(verdict=Verdict.INTERNAL_ERROR, message="broken"), TestVerdict.INTERNAL_ERROR, "broken"),
    ],
)  # fmt: skip
def test_what_a_run_is_worth(result: CodeResult, verdict: TestVerdict, reason: str) -> None:
    assert judge_run(result, "3", TRIMMED) == (verdict, reason)


def test_an_output_that_was_not_kept_whole_is_not_judged() -> None:
    verdict, _ = judge_run(CodeResult(verdict=Verdict.OK, stdout="3", cut=True), "3", TRIMMED)
    assert verdict is TestVerdict.INTERNAL_ERROR


def test(number: int, verdict: TestVerdict, maximum: float = 2.5) -> Judged:
    points = maximum if verdict is TestVerdict.ACCEPTED else 0.0
    return Judged(number=number, name="", verdict=verdict, points=points, maximum=maximum)


test.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("verdicts", "verdict", "points", "judged"),
    [
        ("accepted accepted", "accepted", 5.0, True),
        ("accepted wrong_answer time_limit", "wrong_answer", 2.5, True),
        ("time_limit skipped skipped", "time_limit", 0.0, True),
        ("wrong_answer internal_error", "internal_error", 0.0, False),
        ("accepted internal_error", "internal_error", 2.5, False),
    ],
)
def test_tests_are_summed_and_our_own_trouble_is_nobodys_fault(
    verdicts: str, verdict: str, points: float, judged: bool
) -> None:
    tests = [test(n, TestVerdict(word)) for n, word in enumerate(verdicts.split(), 1)]
    judgement = summed("j", tests)
    assert (judgement.verdict.value, judgement.points, judgement.judged) == (verdict, points, judged)
    assert judgement.maximum == 2.5 * len(tests)
