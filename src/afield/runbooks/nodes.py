"""YAML as a tree that knows its lines. Only plain data comes out of it, and never more than was put in. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from afield.runbooks.problems import Path

try:
    from yaml import CSafeLoader as _BaseLoader
except ImportError:  # PyYAML was built without libyaml; slower, otherwise the same
    from yaml import SafeLoader as _BaseLoader  # type: ignore[assignment]

MOST_DEPTH = 20
MOST_NODES = 20_000
_TOO_MUCH = f"more than {MOST_DEPTH} levels, or {MOST_NODES} values, with its aliases written out"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_FLOAT = "tag:yaml.org,2002:float"


class TooMuchError(ValueError):
    """The document is nested too deep, or grows too large through its aliases."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something YAML allows and a runbook does not."""

    node: Node
    code: str
    message: str


class _Loader(_BaseLoader):
    """Plain data only; and a date stays the text it is."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in _BaseLoader.yaml_implicit_resolvers.items()
    }


class Tree:
    """A composed document. Raises yaml.YAMLError for what is no YAML, TooMuchError for too much of it."""

    def __init__(self, text: str) -> None:
        _check_depth(text)
        loader = _Loader(text)
        try:
            self.root: Node | None = loader.get_single_node()
            if self.root is not None:
                _measure(self.root, {}, set())
            self._flaws = list(self._find_flaws())  # before merge keys are written out, which repeats keys
            self.data: Any = loader.construct_document(self.root) if self.root is not None else None
        finally:
            loader.dispose()

    def flaws(self) -> list[Flaw]:
        """Everything in it that a runbook must not hold."""
        return self._flaws

    def _find_flaws(self) -> Iterator[Flaw]:
        seen: set[int] = set()
        waiting = [] if self.root is None else [self.root]
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            yield from _flaws_of(node)
            waiting.extend(_children(node))

    def node_at(self, path: Path) -> tuple[Node, Node]:
        """The key (or the item) and the value at a path; as far along it as there is something."""
        assert self.root is not None, "an empty document has no paths"
        key = value = self.root
        for part in path:
            found = _child(value, part)
            if found is None:
                break
            key, value = found
        return key, value


def _check_depth(text: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH or count > 2 * MOST_NODES:
            raise TooMuchError(_TOO_MUCH)


def _measure(node: Node, known: dict[int, tuple[int, int]], open_nodes: set[int]) -> tuple[int, int]:
    """How many nodes it is, and how many levels, with every alias written out."""
    if id(node) in known:
        return known[id(node)]
    if id(node) in open_nodes:
        raise TooMuchError("an alias stands for something that holds it")
    open_nodes.add(id(node))
    inner = [_measure(child, known, open_nodes) for child in _children(node)]
    open_nodes.discard(id(node))
    size, depth = 1 + sum(part[0] for part in inner), 1 + max((part[1] for part in inner), default=0)
    if size > MOST_NODES or depth > MOST_DEPTH + 1:
        raise TooMuchError(_TOO_MUCH)
    known[id(node)] = size, depth
    return size, depth


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _child(node: Node, part: str | int) -> tuple[Node, Node] | None:
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in reversed(node.value) if key.value == part), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _flaws_of(node: Node) -> Iterator[Flaw]:
    if isinstance(node, MappingNode):
        yield from _repeated_keys(node)
    elif isinstance(node, ScalarNode):
        if node.tag == _FLOAT and node.value.lower().lstrip("+-") in {".inf", ".nan"}:
            yield Flaw(node, "not_a_number", f"{node.value} is no value a runbook can hold.")
        if "\x00" in node.value:
            yield Flaw(node, "nul_character", "The text holds a NUL character, which no script or database takes.")


def _repeated_keys(node: MappingNode) -> Iterator[Flaw]:
    seen: set[object] = set()
    for key, _ in node.value:
        if isinstance(key, ScalarNode) and key.value in seen:
            yield Flaw(key, "duplicate_key", f"The key {key.value!r} is there twice; YAML would keep the last one.")
        seen.add(key.value if isinstance(key, ScalarNode) else id(key))
