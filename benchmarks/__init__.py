"""Benchmarks: how fast, with how many calls, and how safe. Each is `python -m benchmarks.NAME --json [--small]`."""
