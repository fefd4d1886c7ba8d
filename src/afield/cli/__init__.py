"""The command line: thin, one command per verb.

With `--json`, standard output is JSON and nothing else; progress and logs go to standard error.
"""
