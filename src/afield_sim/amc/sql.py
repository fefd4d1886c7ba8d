"""Queries as trees: DuckDB parses them to JSON, parameters are put in, only known tables are let through.

Putting values into the tree rather than into the text leaves nothing to escape.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import orjson

from .model import Parameter
from .tables import TABLES

Node = dict[str, Any]

CUSTOM_PARAMETER = "custom_parameter"
_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
_CLOSED_FUNCTIONS = frozenset({"getenv", "current_setting", "getvariable", "read_text", "read_blob", "query"})
_TYPES = {
    "STRING": "VARCHAR", "CHAR": "VARCHAR", "VARCHAR": "VARCHAR", "INTEGER": "INTEGER", "LONG": "BIGINT",
    "BIGINT": "BIGINT", "SHORT": "SMALLINT", "DECIMAL": "DECIMAL(18,4)", "DOUBLE": "DOUBLE", "FLOAT": "DOUBLE",
    "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP", "TIME": "TIME",
}  # fmt: skip


class InvalidSqlError(Exception):
    """The query cannot be run as it is; the text says why."""


class MissingParameterError(Exception):
    """A parameter of the query is not declared, or has neither a value nor a default."""


def parse(connection: duckdb.DuckDBPyConnection, sql: str) -> Node:
    """The tree of one SELECT over known tables; InvalidSqlError for anything else."""
    tree = _to_tree(connection, sql)
    if len(tree["statements"]) != 1:
        raise InvalidSqlError("exactly one statement is expected")
    node: Node = tree["statements"][0]["node"]
    _refuse_foreign(node, frozenset())
    return node


def write(connection: duckdb.DuckDBPyConnection, node: Node) -> str:
    """The SQL text of a tree."""
    tree = {"error": False, "statements": [{"node": node, "named_param_map": []}]}
    found = connection.execute("SELECT json_deserialize_sql(?)", [orjson.dumps(tree).decode()]).fetchone()
    return str(found[0]) if found else ""


def walk(node: Any) -> Iterator[Node]:
    """All objects of a tree, outer before inner."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def parameters_used(node: Node) -> set[str]:
    """The names of all CUSTOM_PARAMETER calls."""
    return {_parameter_name(call) for call in walk(node) if call.get("function_name") == CUSTOM_PARAMETER}


def choose_values(
    used: set[str], declared: Sequence[Parameter], given: Mapping[str, Any]
) -> dict[str, tuple[str, Any]]:
    """Type word and value of every used parameter; MissingParameterError when one has none."""
    chosen: dict[str, tuple[str, Any]] = {}
    by_name = {parameter.name: parameter for parameter in declared}
    for name in sorted(used):
        parameter = by_name.get(name)
        if parameter is None:
            raise MissingParameterError(f"Parameter {name} is used but not declared in inputParameters.")
        value = given.get(name, parameter.default)
        if value is None:
            raise MissingParameterError(f"Parameter {name} has neither a value nor a default.")
        chosen[name] = (parameter.data_type, value)
    return chosen


def put_values(connection: duckdb.DuckDBPyConnection, node: Node, values: Mapping[str, tuple[str, Any]]) -> Node:
    """The tree with every CUSTOM_PARAMETER call replaced; names without a value become NULL."""
    expressions = {name: _expression(connection, *value) for name, value in values.items()}
    null = _select_item(connection, "NULL")
    replaced = _replace(node, expressions, null)
    assert isinstance(replaced, dict)
    return replaced


def _to_tree(connection: duckdb.DuckDBPyConnection, sql: str) -> Node:
    found = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    assert found is not None
    tree: Node = orjson.loads(found[0])
    if tree["error"]:
        raise InvalidSqlError(tree["error_message"])
    return tree


def _refuse_foreign(node: Any, names: frozenset[str]) -> None:
    """Raise for anything read that is neither a known table nor a name of the query's own."""
    if isinstance(node, list):
        for value in node:
            _refuse_foreign(value, names)
    elif isinstance(node, dict):
        own = names | {entry["key"].lower() for entry in node.get("cte_map", {}).get("map", [])}
        if node.get("cte_name"):
            own |= {str(node["cte_name"]).lower()}
        _check_source(node, own)
        for value in node.values():
            _refuse_foreign(value, own)


def _check_source(node: Node, names: frozenset[str]) -> None:
    function = str(node.get("function_name", "")).lower()
    if function in _CLOSED_FUNCTIONS:
        raise InvalidSqlError(f"function {function} does not exist")
    if node.get("type") == "TABLE_FUNCTION" and node["function"]["function_name"].lower() not in _TABLE_FUNCTIONS:
        raise InvalidSqlError(f"table function {node['function']['function_name']} does not exist")
    if node.get("type") in {"SHOW_REF", "COLUMN_DATA"}:
        raise InvalidSqlError("only tables can be read")
    if node.get("type") == "BASE_TABLE":
        path = [str(part).lower() for part in node["qualified_name"]["path"]]
        if len(path) != 1 or (path[0] not in names and path[0] not in TABLES):
            raise InvalidSqlError(f"table {'.'.join(path)} does not exist")


def _parameter_name(call: Node) -> str:
    arguments = call["arguments"]
    literal = arguments[0]["expression"].get("literal", {}) if len(arguments) == 1 else {}
    if literal.get("kind") != "STRING":
        raise InvalidSqlError("CUSTOM_PARAMETER takes one text")
    return str(literal["text"])


def _replace(node: Any, expressions: Mapping[str, Node], null: Node) -> Any:
    if isinstance(node, list):
        return [_replace(value, expressions, null) for value in node]
    if not isinstance(node, dict):
        return node
    if node.get("function_name") == CUSTOM_PARAMETER:
        return {**expressions.get(_parameter_name(node), null), "alias": node["alias"]}
    return {key: _replace(value, expressions, null) for key, value in node.items()}


def _expression(connection: duckdb.DuckDBPyConnection, type_word: str, value: Any) -> Node:
    word = type_word.upper().removeprefix("ARRAY").strip("<>() ") or "STRING"
    target = _TYPES.get(word, "VARCHAR")
    if isinstance(value, list):
        return _select_item(connection, "[" + ", ".join(_cast(item, target) for item in value) + "]")
    return _select_item(connection, _cast(value, target))


def _cast(value: Any, target: str) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    quoted = text.replace("\0", "").replace("'", "''")
    return f"CAST('{quoted}' AS {target})"


def _select_item(connection: duckdb.DuckDBPyConnection, expression: str) -> Node:
    item: Node = _to_tree(connection, f"SELECT {expression}")["statements"][0]["node"]["select_list"][0]
    return item


def parse_condition(connection: duckdb.DuckDBPyConnection, condition: str) -> Node:
    """The tree of a condition on groups."""
    statement = _to_tree(connection, f"SELECT 1 FROM t HAVING {condition}")["statements"][0]  # noqa: S608
    having: Node = statement["node"]["having"]
    return having
