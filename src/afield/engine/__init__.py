"""Drives what the ledger holds: decides (plan, settle: pure), acts (drive), and keeps drivers going (worker)."""
