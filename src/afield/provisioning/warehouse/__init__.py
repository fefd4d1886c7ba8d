"""Where a demo's data is kept and asked: DuckDB files by default, BigQuery for those who have it."""
