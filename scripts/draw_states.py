"""Draw the states of an execution into docs/ledger.md, from the table of allowed moves.

`python scripts/draw_states.py` writes the page; with `--check` it only says (exit code 1) whether that is needed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from afield.model.states import ALLOWED, FINAL, WHY, ExecutionState

PAGE = Path(__file__).resolve().parents[1] / "docs" / "ledger.md"
BEGIN, END = "<!-- states:begin -->", "<!-- states:end -->"


def diagram() -> str:
    """The state diagram, as Mermaid text."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> queued"]
    for before in ExecutionState:
        for after in sorted(ALLOWED[before], key=list(ExecutionState).index):
            why = WHY.get((before, after), "")
            lines.append(f"    {before} --> {after}" + (f" : {why}" if why else ""))
    lines += [f"    {state} --> [*]" for state in ExecutionState if state in FINAL]
    return "\n".join([*lines, "```"])


def redrawn(page: str) -> str:
    """The page with the diagram between its markers replaced."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    if not rest or not tail:
        raise SystemExit(f"{PAGE} lacks the markers {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{diagram()}\n{END}{tail}"


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    fresh = redrawn(page)
    if "--check" in sys.argv[1:]:
        return int(fresh != page)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
