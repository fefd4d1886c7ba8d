"""The postgres connector: one query in somebody's PostgreSQL database."""
