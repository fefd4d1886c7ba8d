"""Other durable engines, each with its best configuration, doing the same work. They run in `.venv-bench`."""
