"""Names made more, so that each row has its own. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def variations(values: Iterable[str], variants: Iterable[str], count: int) -> tuple[str, ...]:
    """So many names: all values, then each with the first variant, and so on; then with numbers."""
    bases = tuple(dict.fromkeys(values))
    found = dict.fromkeys(bases)
    for variant in variants:
        found |= dict.fromkeys(f"{base} {variant}" for base in bases)
    number = 2
    while bases and len(found) < count:
        found |= dict.fromkeys(f"{base} {number}" for base in bases)
        number += 1
    return tuple(found)[:count]
