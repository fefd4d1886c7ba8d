"""The page on the command line names every command and option there is, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from cli_world import ROOT

from afield.cli.main import app

PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Every command with its visible options."""

    def walk(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*path, name))
        if not hasattr(command, "commands"):
            params = getattr(command, "params", [])
            shown = [name for one in params if not getattr(one, "hidden", False) for name in _names(one)]
            yield " ".join(path), shown

    return walk(typer.main.get_command(app), ())


def _names(param: Any) -> list[str]:
    """Its long names, and that of its opposite where it has one of its own."""
    both = (*param.opts, *getattr(param, "secondary_opts", ()))
    return [name for name in both if name.startswith("--") and not name.startswith("--no-")]


def test_every_command_and_option_is_named() -> None:
    commands = dict(_commands())
    assert len(commands) > 15
    assert [name for name in commands if f"`{name}" not in PAGE and f"`afield {name}" not in PAGE] == []
    options = {option for shown in commands.values() for option in shown} - {"--help"}
    assert [option for option in sorted(options) if not re.search(rf"{option}\b", PAGE)] == []


def test_no_option_is_named_that_does_not_exist() -> None:
    there = {option for _, shown in _commands() for option in shown}
    there |= {"--help", "--version", "--install-completion", "--show-completion", "--dry-run"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) - there == set()
