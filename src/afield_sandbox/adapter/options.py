"""The options of the command. Each can be set in the environment, too: `--max-body` as AFIELD_SANDBOX_MAX_BODY."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Final

from afield_sandbox.host import Level
from afield_sandbox.model import MIB

_PREFIX: Final = "AFIELD_SANDBOX_"


class Kind(StrEnum):
    """What the adapter is mostly used for; both kinds answer everything."""

    CUSTOM = "custom"
    INTERPRETER = "interpreter"  # a Python session waits before the first caller comes


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where to listen, what to run, and how much. Seconds and bytes."""

    host: str = "127.0.0.1"
    port: int = 2000
    ready_file: Path | None = None
    linger: float = 0.0
    minimum: Level = Level.NAMESPACES
    level: Level = Level.FULL
    lanes: int = 0
    max_waiting: int = 1000
    languages: tuple[str, ...] = ()
    token_file: Path | None = None
    kind: Kind = Kind.CUSTOM
    max_body: int = 32 * MIB
    max_wall: float = 600.0
    max_memory: int = 0
    remember_runs: int = 10_000
    remember_bytes: int = 256 * MIB
    remember_seconds: float = 3600.0
    ready_interval: float = 60.0
    sessions: int = 8
    session_idle: float = 3600.0
    session_hold: float = 300.0
    session_memory: int = 512 * MIB
    execution_timeout: float = 220.0


def parse(arguments: Sequence[str] | None, environment: Mapping[str, str]) -> Options:
    """The options of a command line, with the environment behind it. Exits with 2 and a message when one is wrong."""
    parser = argparse.ArgumentParser(
        prog="afield-sandbox",
        description="Runs code that nobody trusts, over HTTP.",
        epilog=f"Each option can be set in the environment, too: --max-body as {_PREFIX}MAX_BODY.",
    )
    defaults = {field.name: field.default for field in fields(Options)}
    for name, convert, text in _OPTIONS:
        default = defaults[name]
        variable = environment.get(_PREFIX + name.upper())
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=convert,
            default=default if variable is None else variable,
            help=text if default in (None, ()) else f"{text} (default: {_shown(default)})",
        )
    return Options(**vars(parser.parse_args(arguments)))


def _level(text: str) -> Level:
    try:
        return Level[text.upper()]
    except KeyError:
        names = ", ".join(level.name.lower() for level in Level)
        raise argparse.ArgumentTypeError(f"{text!r} is none of {names}") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(Kind)}") from None


def _number(least: float, most: float) -> Callable[[str], float]:
    def convert(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from {least:g} to {most:g}")
        return value

    return convert


def _whole(least: int, most: int = 1 << 40) -> Callable[[str], int]:
    def convert(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from {least} to {most}")
        return value

    return convert


def _shown(default: object) -> object:
    return default.name.lower() if isinstance(default, Level) else default


_SECONDS = _number(0, 1e9)
_OPTIONS: Final[tuple[tuple[str, Callable[[str], object], str], ...]] = (
    ("host", str, "address to listen on"),
    ("port", _whole(0, 65535), "port to listen on; 0 for any free one"),
    ("ready_file", Path, "written when it listens and the jail is up: where, who, how strong"),
    ("linger", _SECONDS, "end when nothing was asked for so many seconds; 0: never"),
    ("minimum", _level, "level of protection below which nothing is run"),
    ("level", _level, "level of protection above which nothing is used, to try out a weaker one"),
    ("lanes", _whole(0, 1024), "how many runs go on at once; 0: four for each processor"),
    ("max_waiting", _whole(0), "how many runs may wait for a lane"),
    ("languages", _names, "only these, with commas between; default: all that are found"),
    ("token_file", Path, "a file that holds the token which every caller has to show"),
    ("kind", _kind, "custom or interpreter"),
    ("max_body", _whole(1024), "bytes of a request's body"),
    ("max_wall", _number(0.001, 3600), "seconds that a run may ask for"),
    ("max_memory", _whole(0), "bytes of memory that a run may ask for; 0: half of this machine's"),
    ("remember_runs", _whole(1), "how many ended runs are remembered"),
    ("remember_bytes", _whole(1024), "bytes of results that are remembered"),
    ("remember_seconds", _SECONDS, "how long an ended run is remembered"),
    ("ready_interval", _SECONDS, "how old a look at the languages may be in /ready"),
    ("sessions", _whole(1, 256), "how many identifiers can have a kept Python session"),
    ("session_idle", _SECONDS, "seconds without use after which the state and files of an identifier are forgotten"),
    ("session_hold", _SECONDS, "seconds for which an idle session does not give way to a new one"),
    ("session_memory", _whole(64 * MIB), "bytes of memory of a kept session"),
    ("execution_timeout", _number(0.001, 3600), "seconds that an execution in a kept session may take"),
)


def memory_cap(options: Options) -> int:
    """The most memory that a run may ask for."""
    return options.max_memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
