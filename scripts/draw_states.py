"""Draw the states of an execution from the table of allowed moves, into docs/images/states.svg and docs/ledger.md.

`python scripts/draw_states.py` writes both; with `--check` it only says (exit code 1) whether that is needed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

from afield.model.states import ALLOWED, FINAL, WHY, ExecutionState

S = ExecutionState
DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, PICTURE = DOCS / "ledger.md", DOCS / "images" / "states.svg"
BEGIN, END = "<!-- states:begin -->", "<!-- states:end -->"

Point = tuple[float, float]
PLACES: dict[S, Point] = {
    S.QUEUED: (100, 90),
    S.SUBMITTING: (350, 90),
    S.SUBMITTED: (660, 90),
    S.RUNNING: (890, 90),
    S.UNCONFIRMED: (410, 230),
    S.LOST: (605, 230),
    S.REJECTED: (100, 390),
    S.CANCELLED: (300, 390),
    S.TIMED_OUT: (500, 390),
    S.FAILED: (700, 390),
    S.SUCCEEDED: (890, 390),
}
ENDS = FINAL - {S.LOST}
HALF: Point = (66, 21)  # of a state's box
GROUP_TOP = 352.0
LABEL_AT = 0.33  # of a slanting arrow's length from its start, where it crosses few others
STYLE = """
  text { font: 14px system-ui, sans-serif; fill: #223; text-anchor: middle; dominant-baseline: middle }
  .why { font-size: 11px; fill: #556; paint-order: stroke; stroke: #fff; stroke-width: 4px }
  rect { fill: #eef3fb; stroke: #4a6fa5; rx: 9 } .end { fill: #edf6ee; stroke: #4f8a57 }
  .lost { fill: #fdf0ee; stroke: #b5544a }
  .group { fill: none; stroke: #9ab; stroke-dasharray: 5 4 } path { fill: none; stroke: #667; marker-end: url(#tip) }
  .rescue { stroke-dasharray: 5 4; stroke: #b5544a }
"""


def _edge(centre: Point, towards: Point) -> Point:
    """Where the line from a box's centre leaves the box."""
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    scale = min(HALF[i] / abs(d) for i, d in enumerate((dx, dy)) if d)
    return centre[0] + dx * scale, centre[1] + dy * scale


def _aside(start: Point, end: Point, by: float) -> tuple[Point, Point]:
    """The line, moved sideways, so that there and back are two lines."""
    length = math.dist(start, end)
    dx, dy = -(end[1] - start[1]) / length * by, (end[0] - start[0]) / length * by
    return (start[0] + dx, start[1] + dy), (end[0] + dx, end[1] + dy)


def _arrow(before: S, after: S) -> Iterator[str]:
    a, b = PLACES[before], PLACES[after]
    start, end = _aside(_edge(a, b), _edge(b, a), 8 if before in ALLOWED[after] else 0)
    kind = ' class="rescue"' if before is S.LOST else ""
    yield f'<path{kind} d="M{start[0]:.0f} {start[1]:.0f} L{end[0]:.0f} {end[1]:.0f}"/>'
    why = WHY.get((before, after), "") if after not in ENDS else ""
    if why and 6 * len(why) < math.dist(start, end):
        share = 0.5 if start[1] == end[1] else LABEL_AT
        x, y = (start[k] + (end[k] - start[k]) * share for k in (0, 1))
        yield f'<text class="why" x="{x:.0f}" y="{y - 7:.0f}">{why}</text>'


def _bridge() -> Iterator[str]:
    """The one move that skips a state: an arc above it."""
    (x1, y), (x2, _) = PLACES[S.QUEUED], PLACES[S.SUBMITTED]
    top = y - HALF[1]
    yield f'<path class="rescue" d="M{x1} {top} Q{(x1 + x2) / 2} {top - 80} {x2 - 20} {top}"/>'
    yield f'<text class="why" x="{(x1 + x2) / 2}" y="{top - 46}">{WHY[S.QUEUED, S.SUBMITTED]}</text>'


def _arrows(before: S) -> Iterator[str]:
    """An arrow for each move; one to the group of ends where all of them are allowed."""
    to_group = ALLOWED[before] >= ENDS
    if to_group:
        x, y = PLACES[before]
        yield f'<path d="M{x + 40:.0f} {y + HALF[1]:.0f} V{GROUP_TOP:.0f}"/>'
    for after in sorted(ALLOWED[before], key=list(S).index):
        if (before, after) == (S.QUEUED, S.SUBMITTED):
            yield from _bridge()
        elif not (to_group and after in ENDS):
            yield from _arrow(before, after)


def _box(state: S) -> str:
    x, y = PLACES[state]
    kind = "lost" if state is S.LOST else "end" if state in ENDS else "live"
    corner = f'x="{x - HALF[0]}" y="{y - HALF[1]}" width="{2 * HALF[0]}" height="{2 * HALF[1]}"'
    return f'<rect class="{kind}" {corner}/><text x="{x}" y="{y}">{state}</text>'


def picture() -> str:
    """The diagram, as SVG."""
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 990 440" role="img">',
        f"<title>The states of an execution</title><style>{STYLE}</style>",
        f'<defs>{tip}<path d="M0 0 L8 4 L0 8 z" style="fill:#667;stroke:none;marker-end:none"/></marker></defs>',
        f'<rect class="group" x="20" y="{GROUP_TOP}" width="950" height="76"/>',
        *(line for state in S for line in _arrows(state)),
        *(_box(state) for state in S),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def table() -> str:
    """The picture and all moves, as Markdown."""
    rows = [
        f"| {before} | {after} | {WHY.get((before, after), f'the remote says: {after}')} |"
        for before in S
        for after in sorted(ALLOWED[before], key=list(S).index)
    ]
    return "\n".join(
        ["![The states of an execution](images/states.svg)", "", "| from | to | when |", "|---|---|---|", *rows]
    )


def redrawn(page: str) -> str:
    """The page with what is between its markers replaced."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    if not rest or not tail:
        raise SystemExit(f"{PAGE} lacks the markers {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def main() -> int:
    fresh = {PAGE: redrawn(PAGE.read_text(encoding="utf-8")), PICTURE: picture()}
    if "--check" in sys.argv[1:]:
        return int(any(not path.exists() or path.read_text(encoding="utf-8") != text for path, text in fresh.items()))
    PICTURE.parent.mkdir(exist_ok=True)
    for path, text in fresh.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
