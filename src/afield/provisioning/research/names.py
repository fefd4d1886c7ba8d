"""What the company is called: the name that most places of its site agree on. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from yarl import URL

from afield.provisioning.company import About, Statement
from afield.provisioning.research.reading import Reading

_WEIGHTS = (("json-ld WebSite", 4), ("json-ld", 5), ("microdata", 5), ("opengraph", 4), ("meta", 3), ("copyright", 2))
_TITLE, _EVERY_TITLE, _LIKE_HOST = 1, 3, 3
_SEPARATOR = re.compile(r"\s+[-|\u2013\u2014\u00b7\u2022:]\s+|\s*[|\u2022\u00b7]\s*|:\s+")
_LEGAL = re.compile(
    r"[\s,]+(?:inc|llc|ltd|limited|plc|corp|corporation|co|company|gmbh|ggmbh|ag|kg|se|ug|e\.?v|s\.?a\.?s?|s\.?a\.?r\.?l"
    r"|s\.?r\.?l|s\.?p\.?a|b\.?v|n\.?v|a\.?s|a\.?b|oy|oyj|aps|lda|society)\.?$",
    re.IGNORECASE,
)
_LONGEST = 80


def best_name(readings: Sequence[Reading]) -> tuple[Statement | None, str]:
    """The statement with the name and a sentence that says why; no statement if the site does not say it.

    `readings` begins with the home page. Each kind of place counts once for a name, and a name like the site's address
    counts more.
    """
    votes: dict[str, dict[str, int]] = defaultdict(dict)
    said: dict[str, list[tuple[int, Statement]]] = defaultdict(list)
    for statement, weight in (*_stated(readings), *_titled(readings)):
        key = _key(statement.text)
        if key and len(statement.text) <= _LONGEST:
            place = statement.found_in.split()[0]
            votes[key][place] = max(weight, votes[key].get(place, 0))
            said[key].append((weight, statement))
    host = _label(readings[0].url)
    totals = {key: sum(places.values()) + _LIKE_HOST * _alike(key, host) for key, places in votes.items()}
    if not totals:
        return None, "The site does not say its name; its address stands for it."
    best = max(totals, key=lambda key: totals[key])
    # Of several spellings, the one of the weightiest place; of equal ones the shorter, which is without legal form.
    _, chosen = max(said[best], key=lambda one: (one[0], -len(one[1].text)))
    places = dict.fromkeys(one.found_in for _, one in said[best])
    return chosen, f"The name {chosen.text!r} stands in: {', '.join(places)}."


def _stated(readings: Sequence[Reading]) -> Iterator[tuple[Statement, int]]:
    for one in (one for reading in readings for one in reading.statements if one.about is About.NAME):
        yield one, next((weight for start, weight in _WEIGHTS if one.found_in.startswith(start)), 1)


def _titled(readings: Sequence[Reading]) -> Iterator[tuple[Statement, int]]:
    """Parts of titles: one that every page has is a name, one of the home page alone may be."""
    parts = [[part for part in _SEPARATOR.split(reading.title) if part] for reading in readings if reading.title]
    everywhere = {_key(part) for part in parts[0]} if len(parts) > 1 else set()
    for others in parts[1:]:
        everywhere &= {_key(part) for part in others}
    for part in parts[0] if parts else []:
        statement = Statement(about=About.NAME, text=part, source=readings[0].url, found_in="title")
        yield statement, _EVERY_TITLE if _key(part) in everywhere else _TITLE


def _key(name: str) -> str:
    """A name without case, signs and legal form."""
    return re.sub(r"[\W_]+", "", _LEGAL.sub("", name.strip()).casefold())


def _label(url: str) -> str:
    """The part of a host that is most like a name: `acme` of `www.acme.co.uk`; nothing of a number."""
    parts = (URL(url).host or "").removeprefix("www.").split(".")
    return "" if parts[-1].isdigit() else re.sub(r"[\W_]+", "", max(parts[:-1] or parts, key=len).casefold())


def _alike(key: str, host: str) -> bool:
    return bool(host) and (key == host or (len(key) > 3 and (key in host or host in key)))
