"""The answer a good model would give, as far as its form goes: JSON that satisfies a JSON schema. Pure.

The same schema and seed give the same answer. Texts are words without digits and markup, no two alike in one answer,
and hardly ever in two.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, TypeAlias

Json: TypeAlias = Any
Schema: TypeAlias = Mapping[str, Any]

_WORDS = """
Amber Birch Cedar Dune Ember Fern Garnet Heron Indigo Juniper Kestrel Linden Maple North Opal Pearl Quill Raven Sable
Thorn Umber Velvet Willow Yarrow Zinnia Aspen Briar Copper Dawn Elder Flint Hazel
Bay Crest Field Glow Haven Isle Knoll Line Mark Nook Orchard Path Ridge Shore Trail Vale Wave Yard Brook Cove Dell
Edge Ford Gate Hill Lane Moor Peak Reach Spring Terrace View
"""
_ALL = _WORDS.split()
_FIRST, _SECOND = _ALL[:32], _ALL[32:]
_DEEPEST = 24


class CannotFillError(Exception):
    """A schema that asks for something this cannot think of."""


def fill(schema: Schema, seed: int = 0) -> Json:
    """JSON that satisfies the schema. Raises CannotFillError."""
    return _Filling(schema, seed).of(schema, 0)


def words(seed: int = 0) -> Iterator[str]:
    """`Amber Bay Amber`, `Birch Bay Amber`, ...: the first 32,768 differ. The seed says where to begin."""
    for number in count(seed):
        yield f"{_FIRST[number % 32]} {_SECOND[number // 32 % 32]} {_FIRST[number // 1024 % 32]}"


class _Filling:
    """One answer in the making."""

    def __init__(self, root: Schema, seed: int) -> None:
        self._root = root
        self._words = words(seed)

    def of(self, schema: Schema, depth: int) -> Json:
        if depth > _DEEPEST:
            raise CannotFillError("the schema goes round in circles")
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for way in ("anyOf", "oneOf"):
            if way in schema:
                return self._either(schema[way], depth)
        return self._typed(schema, _type(schema), depth)

    def _resolved(self, schema: Schema) -> Schema:
        """With references followed and all of `allOf` in one."""
        while "$ref" in schema:
            found: Any = self._root
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
        merged = dict(schema)
        for one in merged.pop("allOf", ()):
            merged.update(self._resolved(one))
        return merged

    def _either(self, options: Sequence[Schema], depth: int) -> Json:
        """The first that is not null; null where there is nothing else."""
        chosen = [one for one in options if one.get("type") != "null"]
        return self.of(chosen[0], depth + 1) if chosen else None

    def _typed(self, schema: Schema, kind: str, depth: int) -> Json:
        simple: dict[str, Callable[[], Json]] = {
            "object": lambda: self._object(schema, depth),
            "array": lambda: self._array(schema, depth),
            "string": lambda: self._text(schema),
            "integer": lambda: int(_number(schema, 1)),
            "number": lambda: _number(schema, 0),
            "boolean": lambda: True,
            "null": lambda: None,
        }
        if kind not in simple:
            raise CannotFillError(f"the type {kind!r} is unknown")
        return simple[kind]()

    def _object(self, schema: Schema, depth: int) -> Json:
        """Only what is required: the rest has defaults. What may be null and may be empty stays away so, too."""
        required, properties = schema.get("required", ()), schema.get("properties", {})
        return {name: self.of(properties.get(name, {}), depth + 1) for name in required}

    def _array(self, schema: Schema, depth: int) -> Json:
        first = [self.of(one, depth + 1) for one in schema.get("prefixItems", ())]
        wanted = schema.get("minItems", len(first))
        return first + [self.of(schema.get("items", {}), depth + 1) for _ in range(wanted - len(first))]

    def _text(self, schema: Schema) -> str:
        form = schema.get("format")
        if form in {"date", "date-time"}:
            return "2026-01-31" if form == "date" else "2026-01-31T12:00:00Z"
        least, most = schema.get("minLength", 0), schema.get("maxLength", 10**6)
        word = next(self._words)
        while len(word) < least:
            word += f" {next(self._words)}"
        if re.search(schema.get("pattern", ""), word[:most]):
            return word[:most].strip() or word[:most]
        return _patterned(schema["pattern"], word, least, most)


def _type(schema: Schema) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return str(kind if isinstance(kind, str) else next((one for one in kind if one != "null"), "null"))


def _number(schema: Schema, step: int) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + (step or _between(schema["exclusiveMinimum"], high))
    elif low is None:
        low = min(0, high - 1) if high is not None else 0
    size = schema.get("multipleOf")
    return float(-(-low // size) * size if size else low)


def _between(low: float, high: float | None) -> float:
    return 1.0 if high is None else (high - low) / 2


def _patterned(pattern: str, word: str, least: int, most: int) -> str:
    bare = word.lower().replace(" ", "_")
    for text in (bare, bare.replace("_", "-"), bare.upper(), bare.split("_")[0], "7" * max(1, least), "2026-01-31"):
        if least <= len(text[:most]) and re.search(pattern, text[:most]):
            return text[:most]
    raise CannotFillError(f"no text comes to mind that looks like {pattern}")
