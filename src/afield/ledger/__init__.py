"""The Postgres store: what was intended, what was seen, what became of it, and every change in order."""
