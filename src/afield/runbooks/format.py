"""Reading a runbook: from a markdown document to a checked model, or to problems with their lines. Pure.

YAML is read with PyYAML's safe loader. A document of the greatest size takes some tenths of a second: a web process
should read it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from afield.model.jsontypes import JsonObject
from afield.runbooks.document import Block, blocks, the_block
from afield.runbooks.model import Runbook
from afield.runbooks.nodes import Flaw, TooMuchError, Tree
from afield.runbooks.problems import Level, Path, Problem, has_errors, path_text

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST_BYTES = 256 * 1024
_STEP_LISTS = frozenset({"prechecks", "steps", "postchecks"})
_BLOCK_STYLES = frozenset({"|", ">"})


@dataclass(frozen=True, slots=True)
class Source:
    """A runbook's YAML, and where in its document it stands."""

    tree: Tree
    first_line: int

    def place(self, path: Path) -> tuple[int, int]:
        """Line and column of a key or an item; of the nearest thing around it if it is missing."""
        mark = self.tree.node_at(path)[0].start_mark
        return self.first_line + mark.line + 1, mark.column + 1

    def place_inside(self, path: Path, line: int) -> tuple[int, int]:
        """Line and column of a line (from 0) inside a text of several lines."""
        _, value = self.tree.node_at(path)
        start = value.start_mark
        if getattr(value, "style", None) in _BLOCK_STYLES:
            return self.first_line + start.line + 2 + line, 1
        return self.first_line + start.line + 1, start.column + 1

    def problem(self, level: Level, code: str, message: str, path: Path, hint: str = "") -> Problem:
        """A problem with the key at this path."""
        return Problem(*self.place(path), level, code, message, hint, path_text(path))


@dataclass(frozen=True, slots=True)
class Parsed:
    """What became of a text. There is a runbook exactly if no problem is an error."""

    runbook: Runbook | None = None
    problems: tuple[Problem, ...] = ()
    source: Source | None = field(default=None, compare=False)  # None: there was no readable YAML


def parse(text: str) -> Parsed:
    """Read a runbook. Never raises: whatever is wrong with the text is among the problems."""
    refused = _unreadable(text)
    if refused:
        return Parsed(problems=(refused,))
    found = blocks(text)
    block = the_block(found)
    if block is None:
        return Parsed(problems=(_no_block(found),))
    try:
        source = Source(Tree(block.text), block.first_line)
    except (yaml.YAMLError, TooMuchError, ValueError) as error:
        return Parsed(problems=(_broken_yaml(error, block),))
    return _validated(source)


def runbook_schema() -> JsonObject:
    """The JSON schema of the YAML block."""
    schema: JsonObject = Runbook.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _unreadable(text: str) -> Problem | None:
    size = len(text.encode("utf-8", errors="surrogatepass"))
    if size > MOST_BYTES:
        message = f"The document has {size} bytes, {MOST_BYTES} at most are read."
        return Problem(1, 1, Level.ERROR, "too_large", message, "Move long scripts to the target and call them.")
    bad = next((place for place, char in enumerate(text) if "\ud800" <= char <= "\udfff"), None)
    if bad is not None:
        line = text.count("\n", 0, bad) + 1
        return Problem(line, 1, Level.ERROR, "not_text", "The document holds half a character.", "Save it as UTF-8.")
    return None


def _no_block(found: list[Block]) -> Problem:
    if not found:
        hint = "Put it between ```yaml and ```, or at the top between two lines `---`."
        return Problem(1, 1, Level.ERROR, "no_block", "The document has no YAML block.", hint)
    line = found[1].first_line
    message = f"The document has {len(found)} YAML blocks, and it is not clear which one is the runbook."
    return Problem(line, 1, Level.ERROR, "several_blocks", message, "Begin the runbook's own with ```yaml runbook.")


def _broken_yaml(error: Exception, block: Block) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (block.first_line + mark.line + 1, mark.column + 1) if mark else (block.first_line + 1, 1)
    if isinstance(error, TooMuchError):
        hint = "Write shorter lists, and no aliases of aliases."
        return Problem(line, column, Level.ERROR, "too_much", f"The YAML is too much: {error}.", hint)
    if isinstance(error, yaml.reader.ReaderError):
        line += block.text.count("\n", 0, error.position if isinstance(error.position, int) else 0)
    message = getattr(error, "problem", None) or str(error).partition("\n")[0]
    hint = "Check indentation, and put texts with `: `, `#` or a leading `{`, `*`, `&`, `%` in quotes or below a `|`."
    return Problem(line, column, Level.ERROR, "yaml", f"This is not YAML: {message}.", hint)


def _validated(source: Source) -> Parsed:
    problems = [_flaw(source, flaw) for flaw in source.tree.flaws()]
    if not isinstance(source.tree.data, dict):
        message = "The YAML block is not a mapping of field names to values."
        wrong = Problem(source.first_line + 1, 1, Level.ERROR, "not_a_mapping", message, "Begin with `runbook_id:`.")
        return Parsed(problems=(*problems, wrong))
    try:
        runbook = Runbook.model_validate(source.tree.data)
    except ValidationError as error:
        problems += _shape_problems(source, error)
        runbook = None
    return Parsed(None if has_errors(problems) else runbook, tuple(sorted(problems)), source)


def _flaw(source: Source, flaw: Flaw) -> Problem:
    mark = flaw.node.start_mark
    return Problem(source.first_line + mark.line + 1, mark.column + 1, Level.ERROR, flaw.code, flaw.message)


def _shape_problems(source: Source, error: ValidationError) -> Iterator[Problem]:
    details = error.errors(include_url=False)
    lists_with_errors = {detail["loc"][0] for detail in details if len(detail["loc"]) > 1}
    for detail in details:
        path = _path(detail["loc"])
        if detail["type"] == "union_tag_invalid":
            path = (*path, "type")
        if detail["type"] == "too_short" and path[0] in lists_with_errors:
            continue  # pydantic does not count the items that are wrong
        yield source.problem(Level.ERROR, detail["type"], _message(detail, path), path, _hint(detail))


def _path(loc: Path) -> Path:
    """Without the step types, which pydantic puts behind a step's place."""
    if len(loc) > 2 and loc[0] in _STEP_LISTS and isinstance(loc[1], int):
        return (*loc[:2], *loc[3:])
    return loc


def _message(detail: ErrorDetails, path: Path) -> str:
    name = path_text(path)
    match detail["type"]:
        case "missing":
            return f"{name} is missing."
        case "extra_forbidden":
            return f"{name} is not a field of a runbook."
        case "union_tag_invalid":
            return f"{name}: {detail['ctx']['tag']!r} is not a type of step."
        case "union_tag_not_found":
            return f"{name} is not a step."
    return f"{name}: {detail['msg'].removeprefix('Value error, ')}."


def _hint(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return "Check its spelling and its indentation; docs/runbook-format.md lists the fields of each step type."
        case "union_tag_invalid":
            return f"Use one of {detail['ctx']['expected_tags']}."
        case "string_type":
            return "Put it in quotes: YAML reads a bare 1.0, yes or 200 as something else than text."
        case "union_tag_not_found":
            return "A step is a mapping that begins with `- name:`."
    return ""
