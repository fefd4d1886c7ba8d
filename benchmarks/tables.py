"""Results as Markdown: what the sections of the page have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.harness import Json


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table: the first column to the left, figures to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def measured_on(result: Json) -> str:
    """One line about the machine."""
    machine = result["machine"]
    return (
        f"Measured on {machine['cores']} cores ({machine['system']}, {machine['memory_gib']} GiB), "
        f"Python {machine['python']}, aiohttp {machine['aiohttp']}; load before {machine['load_before']}."
    )
