"""The adapter's language: what the program in a session container is told, and what it answers."""
