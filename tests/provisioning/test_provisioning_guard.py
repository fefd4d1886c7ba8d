"""What SQL may do: exactly one SELECT over the dataset's tables. Everything else is refused in a sentence."""

from __future__ import annotations

import pytest

from afield.provisioning.warehouse.base import Dialect, RefusedSqlError
from afield.provisioning.warehouse.guard import MAX_LENGTH, guarded

TABLES = ("orders", "products")
DIALECTS: tuple[Dialect, ...] = ("duckdb", "bigquery")

ALLOWED = [
    "SELECT 1 AS one",
    "SELECT * FROM orders",
    "SELECT COUNT(*) FROM Orders AS o JOIN products AS p ON o.product_id = p.product_id",
    "WITH big AS (SELECT * FROM orders WHERE amount > 10) SELECT SUM(amount) FROM big",
    "SELECT id FROM orders UNION ALL SELECT id FROM products ORDER BY 1 LIMIT 3",
    "SELECT (SELECT MAX(amount) FROM orders) AS most",
    "SELECT SUM(x) OVER (PARTITION BY y ORDER BY z), LAG(x) OVER (ORDER BY z), RANK() OVER (ORDER BY z) FROM orders",
    "SELECT EXTRACT(YEAR FROM day), COALESCE(NULLIF(x, 0), 1), CASE WHEN x THEN 1 END, CAST(x AS STRING) FROM orders",
    "SELECT id FROM orders;",
]
REFUSED = [
    ("", "0 statements"),
    ("SELECT 1; SELECT 2", "2 statements"),
    ("SELECT 1; DROP TABLE orders", "2 statements"),
    ("SELEC 1 FROM", "cannot be read|not allowed"),
    ("DROP TABLE orders", "DROP"),
    ("DELETE FROM orders", "DELETE"),
    ("UPDATE orders SET amount = 0", "UPDATE"),
    ("INSERT INTO orders VALUES (1)", "INSERT"),
    ("CREATE TABLE x AS SELECT 1", "CREATE"),
    ("TRUNCATE TABLE orders", "TRUNCATE"),
    ("SET x = 1", "SET"),
    ("CALL something()", "COMMAND"),
    ("EXPLAIN SELECT 1", "COMMAND"),
    ("WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone", "DELETE|cannot be read"),
    ("SELECT * INTO copy FROM orders", "INTO|cannot be read"),
    ("SELECT * FROM orders FOR UPDATE", "LOCK|cannot be read"),
    ("WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x FROM r) SELECT * FROM r", "RECURSIVE"),
    ("SELECT * FROM customers", "no table customers"),
    ("SELECT * FROM orders, secrets", "no table secrets"),
    ("SELECT (SELECT MAX(x) FROM secrets)", "no table secrets"),
    ("SELECT * FROM secrets, (WITH secrets AS (SELECT 1 AS x) SELECT * FROM secrets) AS y", "no table secrets"),
    ("SELECT * FROM main.orders", "lies outside"),
    ("SELECT * FROM other.main.orders", "lies outside"),
    ("SELECT * FROM information_schema.tables", "lies outside|no table information_schema"),
    ("SELECT * FROM '/etc/passwd'", "no table /etc/passwd"),
    ("SELECT * FROM read_csv('/etc/passwd')", "READ_CSV"),
    ("SELECT * FROM read_parquet('x.parquet')", "READ_PARQUET"),
    ("SELECT * FROM glob('*')", "GLOB|cannot be read"),
    ("SELECT * FROM range(1000000000)", "is not allowed|is not a table"),
    ("SELECT * FROM duckdb_settings()", "DUCKDB_SETTINGS"),
    ("SELECT * FROM query('SELECT 1')", "QUERY"),
    ("SELECT read_text('/etc/passwd')", "READ_TEXT"),
    ("SELECT getenv('HOME')", "GETENV"),
    ("SELECT current_setting('memory_limit')", "CURRENT_SETTING"),
    ("SELECT SESSION_USER()", "SESSION_USER"),
    ("SELECT getvariable('x')", "GETVARIABLE"),
    ("SELECT * FROM EXTERNAL_QUERY('x', 'SELECT 1')", "EXTERNAL_QUERY"),
    ("SELECT ML.PREDICT(1)", "PREDICT|ML|cannot be read"),
    ("SELECT ?", "PLACEHOLDER"),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("sql", ALLOWED)
def test_one_select_over_known_tables_may_run(sql: str, dialect: Dialect) -> None:
    assert guarded(sql, TABLES, dialect).sql(dialect=dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("sql", "said"), REFUSED, ids=[sql[:50] for sql, _ in REFUSED])
def test_anything_else_is_refused_in_a_sentence(sql: str, said: str, dialect: Dialect) -> None:
    with pytest.raises(RefusedSqlError, match=said) as refused:
        guarded(sql, TABLES, dialect)
    assert refused.value.message.endswith((".", "…")) or "cannot be read" in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    "sql",
    ["ATTACH 'x.db'", "COPY orders TO 'x'", "PRAGMA database_list", "INSTALL httpfs", "LOAD httpfs", "DESCRIBE orders",
     "SHOW TABLES", "SUMMARIZE orders", "SELECT * FROM (DESCRIBE orders)", "SELECT * FROM (SUMMARIZE orders)",
     "EXPORT DATABASE 'x'", "IMPORT DATABASE 'x'", "CHECKPOINT", "VACUUM"],
)  # fmt: skip
def test_duckdbs_own_commands_are_refused(sql: str) -> None:
    with pytest.raises(RefusedSqlError):
        guarded(sql, TABLES, "duckdb")


@pytest.mark.parametrize(
    "sql",
    ["EXPORT DATA OPTIONS (uri = 'gs://x') AS SELECT 1", "SELECT @x", "SELECT @@project_id",
     "SELECT * FROM `other.orders`", "SELECT * FROM `some-project.other.orders`", "BEGIN SELECT 1; END",
     "EXECUTE IMMEDIATE 'SELECT 1'", "DECLARE x INT64",
     "MERGE orders USING products ON false WHEN MATCHED THEN DELETE"],
)  # fmt: skip
def test_bigquerys_own_statements_are_refused(sql: str) -> None:
    with pytest.raises(RefusedSqlError):
        guarded(sql, TABLES, "bigquery")


def test_a_statement_that_is_too_long_or_too_deep_is_refused() -> None:
    with pytest.raises(RefusedSqlError, match="longer"):
        guarded("SELECT " + "1," * MAX_LENGTH + "1", TABLES, "duckdb")
    with pytest.raises(RefusedSqlError):
        guarded("SELECT " + "(" * 20_000 + "1" + ")" * 20_000, TABLES, "duckdb")
