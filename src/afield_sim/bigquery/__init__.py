"""An emulated BigQuery: datasets, tables, load jobs and queries over REST, DuckDB beneath."""
