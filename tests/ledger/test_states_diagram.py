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
    arrows = {line.split(" : ")[0].strip() for line in page.splitlines() if " --> " in line and "[*]" not in line}
    assert arrows == {f"{before} --> {after}" for before in ALLOWED for after in ALLOWED[before]}
