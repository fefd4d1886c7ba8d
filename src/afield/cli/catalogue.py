"""Commands that are imported when they are called: `executions list` needs nothing of what `code` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import TypeAlias

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

Places: TypeAlias = Mapping[str, str]
"""Names of commands, and where each is: `package.module:attribute`, a function or a `typer.Typer`. A name in two words
is a command of a group that stands elsewhere."""


class Catalogue(MutableMapping[str, object]):
    """What a group takes for its commands. Their names are known at once; a command is built when it is asked for."""

    def __init__(self, places: Places, built: Mapping[str, object] | None = None) -> None:
        self._places = {name: place for name, place in places.items() if " " not in name}
        self._inner = {name: place for name, place in places.items() if " " in name}
        self._built = dict(built or {})

    def __getitem__(self, name: str) -> object:
        if name not in self._built:
            self._built[name] = self._build(name, self._places[name])
        return self._built[name]

    def __setitem__(self, name: str, command: object) -> None:
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        self._places.pop(name, None)
        self._built.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._built, *self._places)))

    def __len__(self) -> int:
        return len(self._built.keys() | self._places.keys())

    def _build(self, name: str, place: str) -> object:
        module, _, attribute = place.partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            return self._group(name, found)
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
        alone.command(name)(found)
        return get_command(alone)

    def _group(self, name: str, found: typer.Typer) -> TyperGroup:
        group = get_group(found)
        group.name = name
        inner = {key.removeprefix(f"{name} "): at for key, at in self._inner.items() if key.startswith(f"{name} ")}
        if inner:
            group.commands = Catalogue(inner, group.commands)  # type: ignore[assignment]
        return group
