"""Who answers which path. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from afield_sandbox.adapter.errors import MethodError, NotFoundError

H = TypeVar("H")


class Router(Generic[H]):
    """Paths by name, then patterns in the order in which they were added.

    A pattern's `{name}` is one step of the path, `{name*}` any number of them.
    """

    def __init__(self) -> None:
        self._named: dict[str, dict[str, H]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, H]]] = []

    def add(self, method: str, path: str, handler: H) -> None:
        """Have `handler` answer."""
        if "{" not in path:
            self._named.setdefault(path, {})[method] = handler
            return
        pattern = re.compile(re.sub(r"\\{(\w+)(\\\*)?\\}", _group, re.escape(path)))
        for known, methods in self._patterns:
            if known == pattern:
                methods[method] = handler
                return
        self._patterns.append((pattern, {method: handler}))

    def find(self, method: str, path: str) -> tuple[H, Mapping[str, str]]:
        """Who answers, with the pattern's names. Raises NotFoundError and MethodError."""
        allowed: set[str] = set()
        for methods, groups in self._candidates(path):
            handler = methods.get(method)
            if handler is not None:
                return handler, groups
            allowed |= methods.keys()
        if not allowed:
            raise NotFoundError(f"The adapter has no path {path[:200]}.", hint="See docs/sandbox-adapter.md.")
        names = ", ".join(sorted(allowed))
        raise MethodError(f"This path does not take {method[:20]}.", hint=f"Use {names}.", headers={"Allow": names})

    def _candidates(self, path: str) -> Iterator[tuple[Mapping[str, H], Mapping[str, str]]]:
        if path in self._named:
            yield self._named[path], {}
        for pattern, methods in self._patterns:
            if found := pattern.fullmatch(path):
                yield methods, found.groupdict()


def _group(found: re.Match[str]) -> str:
    return f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})"
