"""YAML as plain data that knows its lines; aliases, repeated keys and dates are not for problems. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

try:
    from yaml import CSafeLoader as _BaseLoader
except ImportError:  # PyYAML was built without libyaml; slower, otherwise the same
    from yaml import SafeLoader as _BaseLoader  # type: ignore[assignment]

MOST_BYTES = 4 * 1024 * 1024
_MOST_DEPTH = 8
_MOST_VALUES = 20_000
_TIMESTAMP = "tag:yaml.org,2002:timestamp"

Path: TypeAlias = tuple[str | int, ...]
"""Where in a document: ("tests", 0, "stdin")."""


@dataclass(frozen=True, slots=True, order=True)
class Flaw:
    """Something wrong; the line counts from 1."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class FlawError(ValueError):
    """The text cannot be read."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(str(flaw))
        self.flaw = flaw


class _Loader(_BaseLoader):
    """Plain data only; and a date stays the text it is."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in _BaseLoader.yaml_implicit_resolvers.items()
    }


class Document:
    """A text as data, and the line of everything in it."""

    def __init__(self, text: str) -> None:
        """Raises FlawError."""
        if len(text) > MOST_BYTES:
            raise FlawError(Flaw(1, f"the text is longer than {MOST_BYTES} characters"))
        try:
            self._read(text)
        except yaml.YAMLError as error:
            raise FlawError(_broken(error)) from error
        except ValueError as error:  # !!int of what is none, a number of too many digits
            raise FlawError(error.flaw if isinstance(error, FlawError) else Flaw(1, str(error))) from error

    def _read(self, text: str) -> None:
        _check_events(text)
        loader = _Loader(text)
        try:
            self._root: Node | None = loader.get_single_node()
            for flaw in () if self._root is None else _repeated_keys(self._root):
                raise FlawError(flaw)
            self.data: Any = None if self._root is None else loader.construct_document(self._root)
        finally:
            loader.dispose()

    def line_of(self, path: Path) -> int:
        """The line of what is at this path; of the nearest thing around it, if it is missing."""
        place = value = self._root
        for part in path:
            found = _child(value, part)
            if found is None:
                break
            place, value = found
        return 1 if place is None else place.start_mark.line + 1


def _check_events(text: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise FlawError(Flaw(line, "aliases (*name) cannot be used here"))
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_DEPTH or count > _MOST_VALUES:
            raise FlawError(Flaw(line, f"more than {_MOST_DEPTH} levels, or {_MOST_VALUES} values"))


def _broken(error: yaml.YAMLError) -> Flaw:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    told = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return Flaw(mark.line + 1 if mark else 1, f"this is not YAML: {told}")


def _repeated_keys(node: Node) -> Iterator[Flaw]:
    if isinstance(node, SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)
    if isinstance(node, MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value in seen:
                yield Flaw(key.start_mark.line + 1, f"the key {key.value!r} is there twice")
            seen.add(str(key.value))
            yield from _repeated_keys(value)


def _child(node: Node | None, part: str | int) -> tuple[Node, Node] | None:
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None
