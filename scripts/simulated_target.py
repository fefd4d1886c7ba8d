"""Writes credential.json and address.json for the first instance of a simulator: what `afield credentials add` and
`afield targets add` ask for.

Usage: python scripts/simulated_target.py READY_FILE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(ready_file: str) -> None:
    """Read what the simulator wrote when it was ready."""
    amc = json.loads(Path(ready_file).read_text(encoding="utf-8"))["amc"]
    credential = {name: amc[name] for name in ("client_id", "client_secret", "refresh_token")}
    address = {
        "instance_id": amc["instances"][0],
        "entity_id": amc["entity_id"],
        "marketplace_id": amc["marketplace_id"],
        "base_url": amc["base_url"],
        "token_url": amc["lwa_token_url"],
    }
    for name, value in (("credential", credential), ("address", address)):
        Path(f"{name}.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        print(f"{name}.json is written.")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sim.json")
