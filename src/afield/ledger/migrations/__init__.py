"""The database's schema, version by version."""

HEAD = "0005"
"""The newest version; a test compares it with what Alembic finds."""
