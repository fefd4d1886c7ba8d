"""Runbooks: written procedures that run on other people's machines, step by step, with approvals and a way back."""
