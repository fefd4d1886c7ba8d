"""Reads one page: what it says about the company, each statement with the place it was found in. Pure, and not quick.

A page of 100 kB takes some 0.2 s of CPU, so this is called in a thread or a process of its own. Text is only text:
nothing a page says is followed, run or believed beyond being quoted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser
from yarl import URL

from afield.provisioning.company import About, Statement
from afield.provisioning.research import looks, structured, visible
from afield.provisioning.research.quoting import Said, quoted

_LEAST_TEXT = 160
_HIDDEN = "[hidden], [aria-hidden=true], template, [style*='display:none'], [style*='display: none']"
_ASKS_FOR_SCRIPT = re.compile(r"(enable|requires?) javascript|javascript (is )?(required|disabled)", re.IGNORECASE)
_NEEDS_SCRIPT = "{} shows next to nothing without JavaScript, which is not run."


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another page of the same site. `label` is what visitors click on."""

    url: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one page gives."""

    url: str
    title: str
    statements: tuple[Statement, ...]
    links: tuple[Link, ...]
    text: str  # what visitors read
    notes: tuple[str, ...] = ()
    structured: bool = True  # it has data meant for machines
    script_only: bool = False  # without JavaScript there is nothing to read


def read(url: str, html: str) -> Reading:
    """Everything a page gives. Never raises for what is on the page."""
    page = LexborHTMLParser(html)
    looked = list(looks.statements(page, url))
    data = structured.read(html, page)
    for node in page.css(_HIDDEN):
        node.decompose()
    text = visible.main_text(page)
    script_only = _script_only(page, html, text)
    said = [*data.said, *visible.statements(page, text)]
    return Reading(
        url=url,
        title=visible.title(page),
        statements=tuple(_stated([*said, *looked], url)),
        links=tuple(_links(page, url)),
        text=text,
        notes=(*(f"{url}: {note}" for note in data.notes), *((_NEEDS_SCRIPT.format(url),) if script_only else ())),
        structured=data.found,
        script_only=script_only,
    )


def _script_only(page: LexborHTMLParser, html: str, text: str) -> bool:
    """It has scripts and hardly a word, or says itself that it needs them."""
    if len(text) >= _LEAST_TEXT or not page.css("script[src], script:not([type])"):
        return False
    return len(text) < _LEAST_TEXT // 4 or bool(_ASKS_FOR_SCRIPT.search(html))


def _stated(said: list[Said], url: str) -> list[Statement]:
    """Each thing once a page, where it was found first."""
    found: dict[tuple[About, str], Statement] = {}
    for about, text, found_in in said:
        words = quoted(text)
        if words:
            statement = Statement(about=about, text=words, source=url, found_in=found_in)
            found.setdefault((about, words.casefold()), statement)
    return list(found.values())


def _links(page: LexborHTMLParser, url: str) -> list[Link]:
    """The links to other pages of the site, in their order, each once."""
    here = URL(url)
    found: dict[str, Link] = {}
    for node in page.css("a[href]"):
        target = looks.absolute(url, node.attributes.get("href"))
        label = quoted(node.text(separator=" "))
        if target is not None and same_site(here, target):
            address = str(target.with_fragment(None))
            if address not in found or (label and not found[address].label):
                found[address] = Link(address, label)
    return list(found.values())


def same_site(one: URL, other: URL) -> bool:
    """The same host and port, with or without `www.`."""
    return _bare(one) == _bare(other)


def _bare(url: URL) -> tuple[str, int | None]:
    return (url.host or "").removeprefix("www."), None if url.is_default_port() else url.port
