"""Which runtime a caller means."""

from __future__ import annotations

import pytest

from afield.coderunner.runtimes import Runtime, UnknownRuntimeError, choose, spans_of

ALL = [
    Runtime("python", "3.12.4", ("py", "python3")),
    Runtime("python", "3.9.18", ("py",)),
    Runtime("python", "2.7.18"),
    Runtime("node", "0.10.48"),
]


@pytest.mark.parametrize(
    ("language", "version", "chosen"),
    [
        ("python", "*", "3.12.4"),
        ("PY", "3.x", "3.12.4"),
        ("python3", "", "3.12.4"),
        ("python", "3.9", "3.9.18"),
        ("python", "2", "2.7.18"),
        ("python", "~3.9.2", "3.9.18"),
        ("python", "^3.9.2", "3.12.4"),
        ("python", ">=2.7 <3", "2.7.18"),
        ("python", "3.0 - 3.9", "3.9.18"),
        ("python", "1.x || 2.7.18", "2.7.18"),
        ("python", "=v3.12.4", "3.12.4"),
        ("python", "<= 2.7", "2.7.18"),
        ("python", ">3.9", "3.12.4"),
        ("node", "^0.10.2", "0.10.48"),
    ],
)
def test_the_newest_that_fits(language: str, version: str, chosen: str) -> None:
    assert choose(ALL, language, version).version == chosen


@pytest.mark.parametrize(
    ("language", "version"),
    [
        ("python", "3.11.x"),
        ("python", "latest"),
        ("node", "^0.9"),
        ("cobol", "*"),
        ("python", "3..1"),
        ("python", "9" * 99),
    ],
)
def test_what_there_is_not_is_said_with_what_there_is(language: str, version: str) -> None:
    with pytest.raises(UnknownRuntimeError, match="It has: "):
        choose(ALL, language, version)


def test_what_is_no_range_covers_nothing() -> None:
    assert spans_of("abc") == ()
    assert spans_of("1 || abc") == ()
