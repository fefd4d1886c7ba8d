"""Runs many commands in this process: a JSON list of [arguments, variables] in, one of [exit code, out, err] out."""

from __future__ import annotations

import json
import sys

from typer.testing import CliRunner

from afield.cli.main import app


def main() -> None:
    """Fail when a command ends with an error that is not told to the user."""
    ended = []
    for arguments, variables in json.load(sys.stdin):
        result = CliRunner().invoke(app, arguments, env=variables)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise RuntimeError(f"{arguments}") from result.exception
        ended.append((result.exit_code, result.stdout, result.stderr))
    sys.stdout.write(json.dumps(ended))


if __name__ == "__main__":
    main()
