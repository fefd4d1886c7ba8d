"""Version ranges as in package.json: `*`, `3.x`, `3.12.0`, `^3.1`, `~3.1`, `>=3 <4`, `2 || 3`. Pure.

Grammar: the node-semver README. Labels of pre-releases are not compared; the versions of tool chains have none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import zip_longest
from typing import Final

_PART: Final = re.compile(r"(\^|~|>=|<=|>|<|=)?\s*v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:[-+][\w.-]+)*")
_WILD: Final = frozenset("xX*")

Numbers = tuple[int, ...]


@lru_cache(maxsize=1024)
def in_range(version: str, wanted: str) -> bool:
    """Whether a version lies in a range. A range that cannot be read holds nothing."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version))
    return any(_in_all(numbers, part) for part in wanted.split("||"))


def _in_all(version: Numbers, wanted: str) -> bool:
    if not wanted.strip():
        return True
    found = list(_PART.finditer(wanted))
    if "".join(part[0] for part in found).replace(" ", "") != wanted.replace(" ", ""):
        return False
    return all(_compares(version, part[1] or "", _numbers(part)) for part in found)


def _numbers(part: re.Match[str]) -> Numbers:
    numbers: list[int] = []
    for text in part.groups()[1:]:
        if text is None or text in _WILD:
            break
        numbers.append(int(text))
    return tuple(numbers)


def _compares(version: Numbers, how: str, wanted: Numbers) -> bool:
    start = version[: len(wanted)]
    lower = _compare(version, wanted) < 0
    if how in {"^", "~"}:
        return not lower and version[: _fixed(how, wanted)] == wanted[: _fixed(how, wanted)]
    by_sign = {">=": not lower, "<=": lower or start == wanted, ">": not lower and start != wanted, "<": lower}
    return by_sign.get(how, start == wanted)


def _fixed(how: str, wanted: Numbers) -> int:
    """How many numbers stay: `~` two, `^` those up to the first that is not 0."""
    if how == "~":
        return min(2, len(wanted))
    return next((at for at, number in enumerate(wanted) if number), len(wanted) - 1) + 1


def _compare(one: Numbers, other: Numbers) -> int:
    for left, right in zip_longest(one, other, fillvalue=0):
        if left != right:
            return -1 if left < right else 1
    return 0
