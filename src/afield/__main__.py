"""`python -m afield` is the `afield` command."""

from afield.cli.main import main

main()
