"""Finds out why something does not work: an ordered set of checks, each with its evidence, and one plain sentence."""
