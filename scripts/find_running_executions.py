"""What runs here, what runs there, and what does not fit: the same as `afield executions find`.

Usage: .venv/bin/python scripts/find_running_executions.py [--instance-id X] [--user-email Y] [--json]
Exit codes: 0 nothing wrong, 1 findings, 2 could not look.
"""

import sys


def main() -> None:
    """Hand everything on to the command."""
    try:
        from afield.cli.main import main as afield  # noqa: PLC0415 - the message below is for when it is not there
    except ModuleNotFoundError as error:
        print(f"Error: {error.name} is not installed. Run `make setup`, then use .venv/bin/python.", file=sys.stderr)
        sys.exit(2)
    afield(["executions", "find", *sys.argv[1:]])


if __name__ == "__main__":
    main()
