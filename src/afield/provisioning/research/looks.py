"""How a site looks: logo, colours, fonts, each with where it was found. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from selectolax.lexbor import LexborHTMLParser
from yarl import URL

from afield.provisioning.company import About
from afield.provisioning.research.quoting import Said, quoted

Found: TypeAlias = tuple[str, str]
"""A value and where it was found."""
_COLOUR = r"#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})\b|(?:rgb|hsl)a?\([\d.,%/ deg]{5,40}\)"
_WHOLE_COLOUR = re.compile(_COLOUR)
_VARIABLE = re.compile(rf"--([\w-]{{1,60}})\s*:\s*({_COLOUR})")
_FONT = re.compile(r"font-family\s*:\s*([^;{}]{1,200})", re.IGNORECASE)
_MEANT = re.compile(r"primary|brand|accent|secondary|theme|main", re.IGNORECASE)
_GENERIC = frozenset(
    {"serif", "sans-serif", "monospace", "cursive", "fantasy", "system-ui", "ui-sans-serif", "ui-serif", "inherit"}
    | {"initial", "unset", "-apple-system", "blinkmacsystemfont", "emoji"}
)
_MOST = 12
_MOST_CSS = 512 * 1024


def statements(page: LexborHTMLParser, url: str) -> Iterator[Said]:
    """Logo and colours of a page, without its style sheets."""
    yield from ((About.LOGO, text, place) for text, place in logos(page, url))
    yield from ((About.COLOUR, text, place) for text, place in theme_colours(page))
    for style in page.css("style")[:10]:
        yield from ((About.COLOUR, text, place) for text, place in variables(style.text() or ""))


def logos(page: LexborHTMLParser, url: str) -> Iterator[Found]:
    """Images that are called a logo, then the site's icons; as addresses."""
    for node in page.css("img[src][class*=logo i], img[src][id*=logo i], [class*=logo i] img[src], img[src*=logo i]"):
        if address := absolute(url, node.attributes.get("src")):
            yield str(address), "image called logo"
    for node in page.css('link[rel~="apple-touch-icon"][href], link[rel~="icon"][href]'):
        if address := absolute(url, node.attributes.get("href")):
            yield str(address), f"link {node.attributes.get('rel')}"


def theme_colours(page: LexborHTMLParser) -> Iterator[Found]:
    """The colours a page gives to the browser."""
    for name in ("theme-color", "msapplication-TileColor"):
        for node in page.css(f'meta[name="{name}" i][content]'):
            colour = quoted(node.attributes.get("content") or "")
            if _WHOLE_COLOUR.fullmatch(colour):
                yield colour.lower(), f"meta {name}"


def variables(css: str) -> list[Found]:
    """The colours a style sheet gives names to; those with names that mean something first."""
    found: dict[str, Found] = {}
    for name, colour in sorted(_VARIABLE.findall(css[:_MOST_CSS]), key=lambda one: not _MEANT.search(one[0])):
        found.setdefault(colour.lower(), (colour.lower(), f"css --{name}"))
    return list(found.values())[:_MOST]


def fonts(css: str) -> list[Found]:
    """The first named font of each family a style sheet asks for."""
    found: dict[str, Found] = {}
    for families in _FONT.findall(css[:_MOST_CSS]):
        first = quoted(families.split(",")[0]).strip("\"' ")
        if first and first.lower() not in _GENERIC and re.fullmatch(r"[\w .-]{2,60}", first):
            found.setdefault(first.lower(), (first, "css font-family"))
    return list(found.values())[:_MOST]


def absolute(base: str, address: str | None) -> URL | None:
    """An address on a page as an http or https one; None if it is none."""
    try:
        found = URL(base).join(URL((address or "").strip()))
    except ValueError:
        return None
    return found if address and found.scheme in {"http", "https"} and found.host else None


def shared_images(page: LexborHTMLParser) -> Iterator[Found]:
    """Pictures shown where somebody shares the page."""
    for node in page.css('meta[property="og:image"][content], meta[name="twitter:image"][content]'):
        yield (
            node.attributes.get("content") or "",
            f"meta {node.attributes.get('property') or node.attributes.get('name')}",
        )
