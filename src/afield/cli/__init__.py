"""The command line: thin, one command per verb. With `--json`: JSON alone on standard output, progress on standard error."""
