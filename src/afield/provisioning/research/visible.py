"""Statements out of what visitors see: title, headings, price lists, addresses, sentences. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from afield.provisioning.company import About
from afield.provisioning.research.quoting import PRICE, Said, quoted

_MOST_OF_A_KIND = 40
_HIGHEST = 4
_MOST_LETTERS = 80
_OFFERS = re.compile(
    r"/(?:shop|store|products?|produkte?|catalog(?:ue)?|collections?|category|categories|c|menu|karte|services?|leistungen"
    r"|solutions?|departments?|programm?es?|courses?|tariffs?|plans?|rooms?|treatments?)/([^/?#]+)/?$",
    re.IGNORECASE,
)
_NO_OFFERS = re.compile(
    r"^/(?:about|ueber|company|team|news|blog|press|magazine|stories|help|support|faq|legal|jobs|careers|investors?|account"
    r"|login|contact|events|[a-z]{2}(?:-[a-z]{2})?)\b",
    re.IGNORECASE,
)
_TITLED = "h1, h2, h3, h4, h5, th, strong, dt, [class*=name], [class*=title]"
_AUDIENCE = re.compile(
    r"\b(?:made|built|designed|created|meant|ideal|perfect|tailored)\s+(?:especially\s+)?for\s+([^.;:!?()]{3,90})[.;!?]",
    re.IGNORECASE,
)
_AFTER_CODE = re.compile(
    r"(?:\b[A-Z]{1,2}-)?\b(?:\d{3}\s?\d{2}|\d{4}(?:-\d{3}|\s[A-Z]{2})?)\s+([^\W\d_][^\d,;|]{1,40})"
)
_BEFORE_CODE = re.compile(r"([^\W\d_][^\d,;|]{1,40}),?\s+(?:[A-Z]{2}\s+\d{5}\b|[A-Z]{1,2}\d[A-Z\d]?\s+\d[A-Z]{2}\b)")
_OWNER = re.compile(
    r"(?:©|\(c\)|copyright)\s*(?:\d{4}\s*(?:[-\u2013]\s*\d{4})?)?[\s,]*(?:by\s+)?([^\W\d_][^|©.\n]{1,60}?)"
    r"(?=\s*(?:[|©\n.]|all rights|alle rechte|tous droits|$))",
    re.IGNORECASE,
)


def title(page: LexborHTMLParser) -> str:
    """The page's title."""
    node = page.css_first("title")
    return quoted(node.text()) if node else ""


def main_text(page: LexborHTMLParser) -> str:
    """What the page is about, without navigation and footer; line by line."""
    import trafilatura  # noqa: PLC0415 - reads its settings when imported

    html = page.html or ""
    found = trafilatura.extract(html, include_comments=False, include_tables=True, favor_recall=True) if html else None
    return found or _plain(page)


def statements(page: LexborHTMLParser, text: str) -> Iterator[Said]:
    """All that is to be seen on the page. `text` is its main text."""
    yield from _described(page)
    yield from _owners(page)
    yield from _opening(page)
    yield from _sections(page)
    yield from _priced(page)
    yield from _towns(page)
    yield from ((About.AUDIENCE, found[1], "text") for found in list(_AUDIENCE.finditer(text))[:5])


def _described(page: LexborHTMLParser) -> Iterator[Said]:
    for node in page.css('meta[name="description" i][content]')[:1]:
        yield About.SUMMARY, node.attributes.get("content") or "", "meta description"
    for node in page.css('meta[name="application-name" i][content]')[:1]:
        yield About.NAME, node.attributes.get("content") or "", "meta application-name"


def _owners(page: LexborHTMLParser) -> Iterator[Said]:
    for node in page.css("footer")[:2]:
        found = _OWNER.search(node.text(separator="\n"))
        if found:
            yield About.NAME, found[1], "copyright line"


def _opening(page: LexborHTMLParser) -> Iterator[Said]:
    for node in page.css("main p, article p, .hero p, body > p")[:3]:
        text = quoted(node.text(separator=" "))
        if len(text) >= _MOST_LETTERS:
            yield About.SUMMARY, text, "first paragraph"
            return


def _sections(page: LexborHTMLParser) -> Iterator[Said]:
    """Links to parts of the offer, told by their addresses: `/shop/jackets`, or `/x/y` beside a link to `/x`."""
    places = (("nav a[href], header a[href]", "navigation"), ("main a[href]", "link"))
    for pattern, place in places:
        links = [
            (urlsplit(node.attributes.get("href") or "").path.rstrip("/"), quoted(node.text(separator=" ")))
            for node in page.css(pattern)[: 3 * _MOST_OF_A_KIND]
        ]
        above = {path for path, _ in links if path and not _NO_OFFERS.match(path)} if place == "navigation" else set()
        for path, label in links:
            part = _OFFERS.search(path) or path.rpartition("/")[0] in above
            if part and label and len(label) <= _MOST_LETTERS // 2:
                yield About.CATEGORY, label, place


def _priced(page: LexborHTMLParser) -> Iterator[Said]:
    """Prices, and the things they stand beside: the nearest element around a price that has exactly one title."""
    count = 0
    for node in page.css("main *, body > *, article *"):
        own = quoted(node.text(deep=False))
        found = PRICE.search(own) if own and len(own) <= _MOST_LETTERS else None
        if found and node.tag not in {"script", "style", "option"} and count < _MOST_OF_A_KIND:
            count += 1
            yield About.PRICE, found[0], "price list"
            if name := _thing(node):
                yield About.PRODUCT, name, "price list"


def _thing(node: LexborNode) -> str:
    """The one title nearest to a price; empty if there is none, or more than one."""
    at = node.parent
    for _ in range(_HIGHEST):
        if at is None or at.tag in {"body", "html", "main"}:
            break
        titles = {
            text for one in at.css(_TITLED) if (text := quoted(one.text(separator=" "))) and not PRICE.search(text)
        }
        if titles:
            return titles.pop() if len(titles) == 1 and max(map(len, titles)) <= _MOST_LETTERS else ""
        at = at.parent
    return ""


def _towns(page: LexborHTMLParser) -> Iterator[Said]:
    """Towns of postal addresses, told by their codes: `10119 Berlin`, `Leeds, LS10 1JP`."""
    for node in page.css("address")[:_MOST_OF_A_KIND]:
        for line in node.text(separator="\n").splitlines():
            found = _BEFORE_CODE.search(quoted(line)) or _AFTER_CODE.search(quoted(line))
            if found:
                yield About.PLACE, found[1].strip(" ,-"), "address"


def _plain(page: LexborHTMLParser) -> str:
    body = page.body
    if body is None:
        return ""
    lines = (
        quoted(node.text(separator=" "))
        for node in body.css("h1, h2, h3, h4, p, li, td, th, dd, dt, blockquote, figcaption")
    )
    return "\n".join(line for line in lines if line)
