"""Whether a program's output is what was expected, and what that is worth. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

from afield.connectors.coding import CodeResult, Verdict

_SHOWN = 40


class Mode(StrEnum):
    """How outputs are compared."""

    EXACT = "exact"  # character by character
    TRIMMED = "trimmed"  # blanks at the ends of lines and empty lines at the end do not matter
    TOKENS = "tokens"  # only the words matter, not the space between them
    FLOAT = "float"  # like tokens; numbers may differ by a tolerance


@dataclass(frozen=True, slots=True)
class Compare:
    """How outputs are compared. A number is right when it is within one of the tolerances."""

    mode: Mode = Mode.TRIMMED
    absolute: float = 0.0
    relative: float = 0.0


class TestVerdict(StrEnum):
    """What became of one test, and of a submission."""

    __test__ = False  # no test class, whatever pytest thinks of the name

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    RUNTIME_ERROR = "runtime_error"
    OUTPUT_LIMIT = "output_limit"
    COMPILE_ERROR = "compile_error"
    INTERNAL_ERROR = "internal_error"  # ours, never the program's: not judged
    SKIPPED = "skipped"


_VERDICTS: Mapping[Verdict, TestVerdict] = {
    Verdict.RUNTIME_ERROR: TestVerdict.RUNTIME_ERROR,
    Verdict.SIGNAL: TestVerdict.RUNTIME_ERROR,
    Verdict.TIME_LIMIT: TestVerdict.TIME_LIMIT,
    Verdict.MEMORY_LIMIT: TestVerdict.MEMORY_LIMIT,
    Verdict.OUTPUT_LIMIT: TestVerdict.OUTPUT_LIMIT,
    Verdict.COMPILE_ERROR: TestVerdict.COMPILE_ERROR,
    Verdict.INTERNAL_ERROR: TestVerdict.INTERNAL_ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One test of a submission. `reason` shows nothing of a hidden test."""

    number: int  # from 1
    name: str
    verdict: TestVerdict
    points: float = 0.0
    maximum: float
    hidden: bool = False
    reason: str = ""
    wall_ms: float | None = None
    cpu_ms: float | None = None
    memory_bytes: int | None = None
    execution_id: str | None = None  # None: nothing was run


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a submission is worth."""

    id: str
    verdict: TestVerdict
    points: float
    maximum: float
    tests: tuple[Judged, ...]

    @property
    def judged(self) -> bool:
        """Whether the program was judged. Where it was not, its points say nothing: the fault was ours."""
        return self.verdict is not TestVerdict.INTERNAL_ERROR


def summed(judge_id: str, tests: Sequence[Judged]) -> Judgement:
    """All tests together. Their first failure is the verdict; an internal error anywhere means: not judged."""
    verdicts = [test.verdict for test in tests]
    failures = [one for one in verdicts if one not in {TestVerdict.ACCEPTED, TestVerdict.SKIPPED}]
    verdict = failures[0] if failures else TestVerdict.ACCEPTED
    if TestVerdict.INTERNAL_ERROR in failures:
        verdict = TestVerdict.INTERNAL_ERROR
    return Judgement(
        id=judge_id,
        verdict=verdict,
        points=math.fsum(test.points for test in tests),
        maximum=math.fsum(test.maximum for test in tests),
        tests=tuple(tests),
    )


def judge_run(result: CodeResult, expected: str, compare: Compare) -> tuple[TestVerdict, str]:
    """The verdict of one run, and why. `result` holds all of the program's standard output."""
    verdict = _VERDICTS.get(result.verdict)
    if verdict is not None:
        return verdict, _why(result)
    if result.cut:
        return TestVerdict.INTERNAL_ERROR, "The output is longer than what was kept of it."
    different = difference(result.stdout, expected, compare)
    return (TestVerdict.ACCEPTED, "") if different is None else (TestVerdict.WRONG_ANSWER, different)


def _why(result: CodeResult) -> str:
    if result.verdict is Verdict.SIGNAL:
        return f"It was ended by {result.signal or 'a signal'}."
    if result.verdict is Verdict.RUNTIME_ERROR and result.exit_code is not None:
        return f"It ended with exit code {result.exit_code}."
    if result.verdict is Verdict.COMPILE_ERROR and result.compile is not None:
        return shortened(result.compile.stderr or result.compile.output, 400)
    return result.message


# --------------------------------------------------------------------------------------- comparing


def difference(printed: str, expected: str, compare: Compare) -> str | None:
    """Where the two differ first, in a sentence; None when they count as equal. Windows' line ends count as any."""
    printed, expected = printed.replace("\r\n", "\n"), expected.replace("\r\n", "\n")
    match compare.mode:
        case Mode.EXACT:
            return None if printed == expected else _by_line(printed.split("\n"), expected.split("\n"))
        case Mode.TRIMMED:
            return _by_line(_trimmed(printed), _trimmed(expected))
        case Mode.TOKENS:
            return _by_token(printed, expected, str.__eq__)
        case Mode.FLOAT:
            return _by_token(printed, expected, lambda one, other: _near(one, other, compare))


def _trimmed(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _by_line(printed: Sequence[str], expected: Sequence[str]) -> str | None:
    for number, (got, wanted) in enumerate(zip_longest(printed, expected), 1):
        if got == wanted:
            continue
        if got is None:
            return f"Line {number} is missing: expected {_quoted(wanted)}."
        if wanted is None:
            return f"Line {number} is too much: {_quoted(got)}."
        return f"Line {number}: {_first_difference(got, wanted)}."
    return None


def _by_token(printed: str, expected: str, same: Callable[[str, str], bool]) -> str | None:
    for number, (got, wanted) in enumerate(zip_longest(printed.split(), expected.split()), 1):
        if got is None:
            return f"Token {number} is missing: expected {_quoted(wanted)}."
        if wanted is None:
            return f"Token {number} is too much: {_quoted(got)}."
        if not same(got, wanted):
            line = _line_of_token(printed, number)
            return f"Token {number} (line {line}): {_first_difference(got, wanted)}."
    return None


def _line_of_token(text: str, number: int) -> int:
    left = number
    for line, words in enumerate((line.split() for line in text.split("\n")), 1):
        left -= len(words)
        if left <= 0:
            return line
    return 1


def _near(got: str, wanted: str, compare: Compare) -> bool:
    if got == wanted:
        return True
    one, other = _number(got), _number(wanted)
    if one is None or other is None:
        return False
    if not (math.isfinite(one) and math.isfinite(other)):
        return one == other or (math.isnan(one) and math.isnan(other))
    return abs(one - other) <= max(compare.absolute, compare.relative * abs(other))


def _number(text: str) -> float | None:
    """As a program prints one: no underscores, ASCII digits only."""
    if "_" in text or not text.isascii():
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _first_difference(got: str, wanted: str) -> str:
    """Both around the place where they differ, when they are too long to be shown whole."""
    if len(got) <= _SHOWN and len(wanted) <= _SHOWN:
        return f"expected {_quoted(wanted)}, got {_quoted(got)}"
    place = next((i for i, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b), min(len(got), len(wanted)))
    start = max(0, place - _SHOWN // 2)
    near = f"at character {place + 1} "
    return f"{near}expected {_quoted(wanted[start:])}, got {_quoted(got[start:])}"


def _quoted(text: str) -> str:
    return repr(shortened(text, _SHOWN))


def shortened(text: str, most: int) -> str:
    """Its beginning, with a sign that there is more."""
    return text if len(text) <= most else text[:most] + "…"
