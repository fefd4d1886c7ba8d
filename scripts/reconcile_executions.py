"""Compare both sides of an instance and settle what differs: the same as `afield reconcile`.

Usage: python scripts/reconcile_executions.py --instance-id X --user-email Y [--dry-run | --fix] [--json]
A dry run is the default. Exit codes: 0 nothing wrong, 1 findings, 2 could not look.
"""

import sys

from afield.cli.main import app

if __name__ == "__main__":
    app(["reconcile", *sys.argv[1:]])
