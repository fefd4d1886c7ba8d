"""The privacy threshold: a row of a result stands for at least N distinct users, or it is left out.

What is done, block by block (a block is one SELECT, also inside WITH and subqueries):

- A block that aggregates, and does not group by `user_id`, gets `HAVING count(DISTINCT user_id) >= N`
  if it can see `user_id`. Its rows are then safe.
- A block whose sources are all safe is safe.
- The result is emptied if its last block, or a subquery in its SELECT list, is not safe: rows of
  single users, or aggregates over something that lost its `user_id`.

Not covered: differences between two results, subqueries in WHERE, and values of single columns
(the choice REMOVE_VALUES is treated like REMOVE_ROWS).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .sql import Node

Guard = Callable[[str], Node]
"""From a column (`user_id` or `alias.user_id`) to the condition that it has enough distinct values."""
Binds = Callable[[Node], bool]
"""Whether a whole query can be bound to the tables."""

_USER = "user_id"


class Threshold:
    """Puts the threshold into one query."""

    def __init__(self, query: Node, aggregates: frozenset[str], guard: Guard, binds: Binds) -> None:
        self._query = query
        self._aggregates = aggregates
        self._guard = guard
        self._binds = binds

    def apply(self) -> bool:
        """Change the query in place; whether its result is safe to show."""
        return self._block(self._query, {})

    def _block(self, block: Node, safe_names: Mapping[str, bool]) -> bool:
        names = dict(safe_names)
        for entry in block.get("cte_map", {}).get("map", []):
            names[entry["key"].lower()] = self._block(entry["value"]["query_node"], names)
        if block["type"] == "SELECT_NODE":
            return self._select(block, names)
        if block["type"] == "SET_OPERATION_NODE":
            verdicts = [self._block(child, names) for child in block["children"]]
            return all(verdicts)
        return False

    def _select(self, block: Node, names: Mapping[str, bool]) -> bool:
        sources_safe = self._source(block["from_table"], names)
        shown_safe = [self._block(inner, names) for inner in _subqueries(block["select_list"])]
        if not all(shown_safe):
            return False
        if sources_safe:
            return True
        return self._aggregating(block) and not _groups_by_user(block) and self._guarded(block)

    def _source(self, source: Node, names: Mapping[str, bool]) -> bool:
        match source["type"]:
            case "BASE_TABLE":
                return names.get(source["table_name"].lower(), False)
            case "SUBQUERY":
                return self._block(source["subquery"]["node"], names)
            case "JOIN":
                verdicts = [self._source(source[side], names) for side in ("left", "right")]
                return all(verdicts)
            case _:
                return True

    def _aggregating(self, block: Node) -> bool:
        if block["group_expressions"] or block["group_sets"]:
            return True
        if block["aggregate_handling"] != "STANDARD_HANDLING":
            return True
        return any(_calls(block["select_list"], self._aggregates)) or any(_calls(block["having"], self._aggregates))

    def _guarded(self, block: Node) -> bool:
        """Give the block its HAVING, with the first spelling of the user column that binds."""
        before = block["having"]
        for column in (_USER, *(f'"{alias}".{_USER}' for alias in _aliases(block["from_table"]))):
            block["having"] = _both(before, self._guard(column))
            if self._binds(self._query):
                return True
        block["having"] = before
        return False


def _both(one: Node | None, other: Node) -> Node:
    if one is None:
        return other
    return {
        "class": "CONJUNCTION",
        "type": "CONJUNCTION_AND",
        "alias": "",
        "query_location": 0,
        "query_location_length": 0,
        "children": [one, other],
    }


def _subqueries(node: Any) -> Iterator[Node]:
    if isinstance(node, list):
        for value in node:
            yield from _subqueries(value)
    elif isinstance(node, dict):
        if node.get("class") == "SUBQUERY":
            yield node["subquery"]["node"]
            return
        for value in node.values():
            yield from _subqueries(value)


def _calls(node: Any, names: frozenset[str]) -> Iterator[Node]:
    """Calls of the named functions, not looking into subqueries or windows."""
    if isinstance(node, list):
        for value in node:
            yield from _calls(value, names)
    elif isinstance(node, dict) and node.get("class") not in {"SUBQUERY", "WINDOW"}:
        if node.get("class") == "FUNCTION" and node["function_name"].lower() in names:
            yield node
        for value in node.values():
            yield from _calls(value, names)


def _groups_by_user(block: Node) -> bool:
    shown = block["select_list"]
    if block["aggregate_handling"] != "STANDARD_HANDLING":
        return any(_is_user(item) for item in shown)
    aliases = {item["alias"].lower(): item for item in shown if item["alias"]}
    return any(_is_user(_group_target(group, shown, aliases)) for group in block["group_expressions"])


def _group_target(group: Node, shown: list[Node], aliases: Mapping[str, Node]) -> Node:
    literal = group.get("literal") or {}
    if literal.get("kind") == "INTEGER" and 1 <= int(literal["text"]) <= len(shown):
        return shown[int(literal["text"]) - 1]
    names = group.get("column_names") or []
    return aliases.get(names[0].lower(), group) if len(names) == 1 else group


def _is_user(expression: Node) -> bool:
    names = expression.get("column_names") or [""]
    return str(names[-1]).lower() == _USER


def _aliases(source: Node) -> Iterator[str]:
    if source["type"] == "JOIN":
        yield from _aliases(source["left"])
        yield from _aliases(source["right"])
    elif source["alias"]:
        yield str(source["alias"])
    elif source["type"] == "BASE_TABLE":
        yield str(source["table_name"])
