"""Compare both sides of an instance and settle what differs: the same as `afield reconcile`.

Usage: .venv/bin/python scripts/reconcile_executions.py --instance-id X --user-email Y [--dry-run | --fix] [--json]
A dry run is the default. Exit codes: 0 nothing wrong, 1 findings, 2 could not look.
"""

import sys


def main() -> None:
    """Hand everything on to the command."""
    try:
        from afield.cli.main import main as afield  # noqa: PLC0415 - the message below is for when it is not there
    except ModuleNotFoundError as error:
        print(f"Error: {error.name} is not installed. Run `make setup`, then use .venv/bin/python.", file=sys.stderr)
        sys.exit(2)
    afield(["reconcile", *sys.argv[1:]])


if __name__ == "__main__":
    main()
