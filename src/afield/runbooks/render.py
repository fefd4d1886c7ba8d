"""What a step does once its inputs are known: exactly what will run, with every value where it cannot do harm. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from pydantic import JsonValue

from afield.errors import InvalidInputError
from afield.runbooks.inputs import Bound, env_name
from afield.runbooks.model import CommandWork, HttpWork, QueryWork, Scalar, Shell
from afield.runbooks.placeholders import PLACEHOLDER, WHY_NOT, Spot, fill
from afield.runbooks.problems import Path, path_text
from afield.runbooks.slots import Slot, SlotKind, uses_of


@dataclass(frozen=True, slots=True)
class RenderedCommand:
    """A script, and the environment variables it gets."""

    script: str
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenderedQuery:
    """A statement with `%(name)s`, and its bind parameters."""

    query: str
    parameters: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenderedHttp:
    """A request. A body that is no text is sent as JSON."""

    method: str
    url: str
    expected_status: tuple[int, ...]
    body: JsonValue = None


def render_command(work: CommandWork, bound: Bound, shell: Shell = Shell.BASH) -> RenderedCommand:
    """Raises InvalidInputError if a placeholder is unknown or stands where no value is safe."""
    kind = SlotKind.BASH if shell is Shell.BASH else SlotKind.POWERSHELL
    script = _filled(Slot(("command",), work.command, kind), lambda name: shell_word(bound.text(name)))
    return RenderedCommand(script, bound.env)


def render_query(work: QueryWork, bound: Bound) -> RenderedQuery:
    """Placeholders become bind parameters. Raises InvalidInputError as render_command does."""
    used: dict[str, JsonValue] = {}

    def parameter(name: str) -> str:
        bound.text(name)
        used[name] = bound.values[name]
        return f"%({name})s"

    query = _filled(Slot(("query",), work.query, SlotKind.SQL), parameter)
    given = {name: _value(value, bound, ("parameters", name)) for name, value in work.parameters.items()}
    clash = sorted(used.keys() & given.keys())
    if clash:
        raise InvalidInputError(f"{clash[0]!r} is an input and a parameter.", hint="Give the parameter another name.")
    return RenderedQuery(query, given | used)


def render_http(work: HttpWork, bound: Bound) -> RenderedHttp:
    """Raises InvalidInputError as render_command does, and for a value that would change the path's levels."""
    url = _filled(Slot(("url",), work.url, SlotKind.URL), lambda name: _url_part(name, bound.text(name)))
    body: JsonValue
    if isinstance(work.body, str):
        slot = Slot(("body",), work.body, SlotKind.JSON_TEXT)
        body = _filled(slot, lambda name: _as_json(name, bound))
    else:
        body = _value(work.body, bound, ("body",))
    return RenderedHttp(work.method, url, work.expected_status, body)


def render_prose(text: str, bound: Bound) -> str:
    """A text for people, or one that output is compared with: values as they are."""
    return _filled(Slot((), text, SlotKind.PROSE), bound.text)


def shell_word(value: str) -> str:
    """One word of bash that means exactly this text. Always quoted: a bare `2` before `>` would name a stream."""
    return "'" + value.replace("'", "'\"'\"'") + "'"


def _filled(slot: Slot, written: Callable[[str], str]) -> str:
    found = uses_of(slot)
    unsafe = next((use for use in found if use.spot is not Spot.WORD), None)
    if unsafe is not None:
        raise InvalidInputError(
            f"{path_text(slot.path)}: {{{{ {unsafe.name} }}}} cannot be filled in. {why_not(slot.kind, unsafe.spot)}",
            hint=instead(slot.kind, unsafe.name),
        )
    return fill(slot.text, found, written)


def why_not(kind: SlotKind, spot: Spot) -> str:
    """Why no value can be put there."""
    if kind is SlotKind.POWERSHELL:
        return "Placeholders are not filled into PowerShell."
    if kind is SlotKind.SQL:
        return "It stands inside quotes or a comment, where a bind parameter is only text."
    return WHY_NOT[spot]


def instead(kind: SlotKind, name: str) -> str:
    """What to write in place of such a placeholder."""
    match kind:
        case SlotKind.BASH:
            return f'Write "${env_name(name)}" there, or take the quotes away.'
        case SlotKind.POWERSHELL:
            return f"Write $env:{env_name(name)} there."
    return "Take the quotes away; the value brings what it needs."


def _value(value: JsonValue, bound: Bound, path: Path) -> JsonValue:
    if isinstance(value, dict):
        return {key: _value(inner, bound, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_value(inner, bound, (*path, place)) for place, inner in enumerate(value)]
    if not isinstance(value, str):
        return value
    alone = PLACEHOLDER.fullmatch(value.strip())
    if alone:
        return _typed(alone[1], bound)
    return _filled(Slot(path, value, SlotKind.VALUE), bound.text)


def _typed(name: str, bound: Bound) -> Scalar | None:
    bound.text(name)
    return bound.values[name]


def _as_json(name: str, bound: Bound) -> str:
    return json.dumps(_typed(name, bound), ensure_ascii=False)


def _url_part(name: str, text: str) -> str:
    if text in {".", ".."}:
        raise InvalidInputError(f"{name}: {text!r} in an address would name another level.", hint="Give a name.")
    return quote(text, safe="")
