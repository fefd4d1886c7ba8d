"""What runs here, what runs there, and what does not fit: the same as `afield executions find`.

Usage: python scripts/find_running_executions.py [--instance-id X] [--user-email Y] [--json]
Exit codes: 0 nothing wrong, 1 findings, 2 could not look.
"""

import sys

from afield.cli.main import app

if __name__ == "__main__":
    app(["executions", "find", *sys.argv[1:]])
