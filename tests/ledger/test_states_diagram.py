"""The documentation's diagram is the table of moves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from afield.model.states import ALLOWED

ROOT = Path(__file__).resolve().parents[2]


def test_the_diagram_is_up_to_date() -> None:
    script = ROOT / "scripts" / "draw_states.py"
    assert subprocess.run([sys.executable, str(script), "--check"], check=False).returncode == 0, f"run {script}"
    page = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    moves = {(row[0].removeprefix("| "), row[1]) for row in rows if row[1] in set(ALLOWED)}
    assert moves == {(before, after) for before in ALLOWED for after in ALLOWED[before]}
