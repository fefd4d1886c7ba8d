"""The ready file: where everything listens, and the credentials to use."""

import os
from collections.abc import Mapping
from pathlib import Path

import orjson


def write_ready_file(path: Path, content: Mapping[str, object]) -> None:
    """Write `content` as JSON to `path` in one step: a reader sees all of it or no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    temporary.replace(path)
