"""robots.txt as RFC 9309 has it: the group of the most fitting agent, the longest rule, `*` and `$`. Pure.

Python's own parser (`urllib.robotparser`) knows no `*` and `$` and takes the first rule that fits, so it would read
pages that their owner has refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

_NUMBER = re.compile(r"\d{1,4}(\.\d{1,6})?")
MOST_BYTES = 512 * 1024  # RFC 9309, section 2.5: at least 500 KiB have to be read


@dataclass(frozen=True, slots=True)
class Rule:
    """Whether paths of one pattern may be read."""

    pattern: str
    allowed: bool

    def fits(self, path: str) -> bool:
        """The path begins like the pattern; `*` stands for anything, a last `$` for the end."""
        return _fits(self.pattern, path)


@dataclass(frozen=True, slots=True)
class Robots:
    """What an owner lets us read."""

    rules: tuple[Rule, ...] = ()
    delay_s: float = 0.0  # wished between requests

    def allows(self, path: str) -> bool:
        """The longest rule that fits decides; of equally long ones, the one that allows."""
        asked = _quoted(path or "/")
        fitting = [rule for rule in self.rules if rule.fits(asked)]
        return max(fitting, key=lambda rule: (len(rule.pattern), rule.allowed)).allowed if fitting else True


EVERYTHING = Robots()
NOTHING = Robots((Rule("/", allowed=False),))


def parse(text: str, agent: str) -> Robots:
    """The rules for `agent` (a product name, such as `AfieldBot`): its own groups, else those for everybody."""
    groups = list(_groups(text))
    own = [lines for agents, lines in groups if agent.lower() in agents]
    chosen = own or [lines for agents, lines in groups if "*" in agents]
    lines = [line for group in chosen for line in group]
    rules = tuple(Rule(_quoted(value), key == "allow") for key, value in lines if key != "crawl-delay" and value)
    delays = [
        float(value) for key, value in lines if key == "crawl-delay" and re.fullmatch(r"\d{1,4}(\.\d{1,6})?", value)
    ]
    return Robots(rules, max(delays, default=0.0))


def for_status(status: int, text: str, agent: str) -> Robots:
    """What an answer to the request for robots.txt means (RFC 9309, section 2.3.1).

    A file that is not there allows everything. One that is refused (401, 403) allows nothing, although the RFC would be
    more generous; and so does any answer that is neither.
    """
    if 200 <= status < 300:
        return parse(text, agent)
    return EVERYTHING if 400 <= status < 500 and status not in {401, 403} else NOTHING


def _groups(text: str) -> Iterator[tuple[frozenset[str], list[tuple[str, str]]]]:
    """Each group's agents, lower case and without version, and its lines."""
    agents: set[str] = set()
    lines: list[tuple[str, str]] = []
    began = False
    for key, value in _lines(text):
        if key == "user-agent":
            if began:
                yield frozenset(agents), lines
                agents, lines, began = set(), [], False
            agents.add(value.lower().split("/")[0].strip())
        elif key in {"allow", "disallow", "crawl-delay"}:
            began = True
            lines.append((key, value))
    yield frozenset(agents), lines


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.lstrip("\ufeff").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield key.strip().lower(), value.strip()


def _fits(pattern: str, path: str) -> bool:
    """Piece by piece, in time linear in both: a pattern of many stars is no trap."""
    ends = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for number, piece in enumerate(rest):
        if ends and number == len(rest) - 1:
            return path.endswith(piece) and len(path) - len(piece) >= at
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return at == len(path) if ends else True


def _quoted(path: str) -> str:
    """The same path is always written the same way."""
    return quote(path, safe="/%*$?=&;:@!+,'()~#[]")
