"""The words of a Resource Graph query, and the conditions of its `where`. Pure.

A small part of the Kusto Query Language, with its meaning: names and `==` care for case, `=~`, `in~`, `contains`,
`startswith`, `endswith` and `has` do not. Source: Microsoft Learn, "Understanding the Azure Resource Graph query
language".
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Row = Mapping[str, object]
Condition = Callable[[Row], bool]
Compare = Callable[[object, list[object]], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<number>-?\d+)
    |(?P<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\['[^']*'\])*(?:~(?!=))?)|(?P<sign>==|!=|=~|!~|!in~|![a-z_]+|[|,()=]))""",
    re.VERBOSE,
)
_PART = re.compile(r"\['([^']*)'\]|\w+")
_COMMENT = re.compile(r"//[^\n]*")


class QueryError(Exception):
    """A query that is not understood: what and where."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a query: its kind (`text`, `number`, `word`, `sign`), its value, where it begins."""

    kind: str
    value: str
    at: int


class Reader:
    """Goes through the tokens of a query."""

    def __init__(self, query: str) -> None:
        self._tokens = split(query)
        self._next = 0

    @property
    def here(self) -> Token:
        """The token to come; one of kind `end` after the last."""
        return self._tokens[self._next]

    def take(self) -> Token:
        """The token to come, and go on."""
        token = self.here
        self._next += token.kind != "end"
        return token

    def skip(self, *values: str) -> str:
        """Go on when the token to come is one of these, in any case; which, or empty."""
        if self.here.kind in {"word", "sign"} and self.here.value.lower() in values:
            return self.take().value.lower()
        return ""

    def expect(self, what: str, kind: str = "sign") -> Token:
        """Take a token of a kind (a sign: this one); QueryError when another comes."""
        if self.here.kind != kind or (kind == "sign" and self.here.value != what):
            raise self.problem(what)
        return self.take()

    def problem(self, expected: str) -> QueryError:
        """The error for what comes in place of something else."""
        found = self.here.value or "the end of the query"
        return QueryError(f"expected {expected} but found {found} at position {self.here.at}")


def split(query: str) -> list[Token]:
    """The tokens of a query, with one of kind `end` behind; QueryError."""
    text, at, tokens = _COMMENT.sub("", query).rstrip(), 0, []
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise QueryError(f"cannot read {text[at : at + 20].strip()!r} at position {at}")
        tokens.append(Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)))
        at = found.end()
    return [*tokens, Token("end", "", len(text))]


def value_of(row: Row, path: str) -> object:
    """What a dotted path leads to; None when there is nothing."""
    value: object = row
    for part in _PART.finditer(path):
        value = value.get(part[1] or part[0]) if isinstance(value, Mapping) else None
    return value


def read_condition(reader: Reader) -> Condition:
    """`a or b and (c)`; QueryError."""
    left = _read_and(reader)
    while reader.skip("or"):
        left = _either(left, _read_and(reader))
    return left


def _read_and(reader: Reader) -> Condition:
    left = _read_one(reader)
    while reader.skip("and"):
        left = _both(left, _read_one(reader))
    return left


def _read_one(reader: Reader) -> Condition:
    if reader.skip("("):
        inner = read_condition(reader)
        reader.expect(")")
        return inner
    read = read_operand(reader)
    name = reader.here.value.lower()
    compare = _COMPARE.get(name)
    if compare is None:
        raise reader.problem(f"one of {', '.join(_COMPARE)}")
    reader.take()
    wanted = _read_list(reader) if name.endswith(("in", "in~")) else [read_literal(reader)]
    return lambda row: compare(read(row), wanted)


def read_operand(reader: Reader) -> Callable[[Row], object]:
    """A column's path, or `tolower(path)`, `toupper(path)`, `tostring(path)`; QueryError."""
    path = reader.expect("a column", "word").value
    change = _CHANGES.get(path.lower())
    if change is None or not reader.skip("("):
        return lambda row: value_of(row, path)
    inner = reader.expect("a column", "word").value
    reader.expect(")")
    return lambda row: change(value_of(row, inner))


def read_literal(reader: Reader) -> object:
    """A text, a whole number, true or false; QueryError."""
    token = reader.here
    if token.kind == "number":
        return int(reader.take().value)
    if token.kind == "text":
        return re.sub(r"\\(.)", r"\1", reader.take().value[1:-1])
    if word := reader.skip("true", "false"):
        return word == "true"
    raise reader.problem("a value")


def _read_list(reader: Reader) -> list[object]:
    reader.expect("(")
    values = [read_literal(reader)]
    while reader.skip(","):
        values.append(read_literal(reader))
    reader.expect(")")
    return values


def _either(left: Condition, right: Condition) -> Condition:
    return lambda row: left(row) or right(row)


def _both(left: Condition, right: Condition) -> Condition:
    return lambda row: left(row) and right(row)


def _not(compare: Compare) -> Compare:
    return lambda value, wanted: not compare(value, wanted)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _equal(value: object, wanted: list[object]) -> bool:
    return value in wanted


def _alike(value: object, wanted: list[object]) -> bool:
    return _text(value).lower() in [_text(one).lower() for one in wanted]


def _contains(value: object, wanted: list[object]) -> bool:
    return _text(wanted[0]).lower() in _text(value).lower()


def _starts(value: object, wanted: list[object]) -> bool:
    return _text(value).lower().startswith(_text(wanted[0]).lower())


def _ends(value: object, wanted: list[object]) -> bool:
    return _text(value).lower().endswith(_text(wanted[0]).lower())


def _has(value: object, wanted: list[object]) -> bool:
    term = rf"(?<![^\W_]){re.escape(_text(wanted[0]))}(?![^\W_])"
    return re.search(term, _text(value), re.IGNORECASE) is not None


_COMPARE: Mapping[str, Compare] = {
    "==": _equal,
    "!=": _not(_equal),
    "=~": _alike,
    "!~": _not(_alike),
    "in": _equal,
    "in~": _alike,
    "!in": _not(_equal),
    "!in~": _not(_alike),
    "contains": _contains,
    "startswith": _starts,
    "endswith": _ends,
    "has": _has,
    "!contains": _not(_contains),
    "!startswith": _not(_starts),
    "!endswith": _not(_ends),
    "!has": _not(_has),
}
_CHANGES: Mapping[str, Callable[[object], str]] = {
    "tolower": lambda value: _text(value).lower(),
    "toupper": lambda value: _text(value).upper(),
    "tostring": _text,
}
