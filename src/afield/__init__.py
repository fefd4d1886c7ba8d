"""Afield: run work in other people's systems and know what became of it."""

__version__ = "0.1.0"
