"""How a company's site looks: colours, logo, fonts and pictures, each with where it was found."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from selectolax.lexbor import LexborHTMLParser

from afield.provisioning.brief import Frozen
from afield.provisioning.company import About
from afield.provisioning.research import looks, structured
from afield.provisioning.research.failures import ScrapeError
from afield.provisioning.research.fetch import Fetcher, Page, Reach
from afield.provisioning.research.names import best_name
from afield.provisioning.research.reading import read

_MOST_SHEETS = 3
_MOST = 12


class Found(Frozen):
    """One thing, and where it was found: the address of page or style sheet, and the place in it."""

    value: str
    source: str
    found_in: str


class Branding(Frozen):
    """What is there; empty where the site has nothing that can be read."""

    url: str
    name: str | None = None
    colours: tuple[Found, ...] = ()
    logos: tuple[Found, ...] = ()
    fonts: tuple[Found, ...] = ()
    images: tuple[Found, ...] = ()
    notes: tuple[str, ...] = ()


async def extract_branding(url: str, reach: Reach | None = None) -> Branding:
    """Read a page and up to three of its style sheets. Raises ScrapeError if the page cannot be read."""
    notes: list[str] = []
    sheets: list[Page] = []
    async with Fetcher(reach) as fetcher:
        page = await fetcher.page(url)
        for address in await asyncio.to_thread(style_sheets, page):
            try:
                sheets.append(await fetcher.style(address))
            except ScrapeError as error:
                notes.append(f"{error.url} could not be read: {error.what}.")
    return await asyncio.to_thread(branding_of, page, sheets, notes)


def style_sheets(page: Page) -> list[str]:
    """The addresses of a page's style sheets, the first few."""
    nodes = LexborHTMLParser(page.text).css('link[rel~="stylesheet"][href]')
    found = [looks.absolute(page.url, node.attributes.get("href")) for node in nodes]
    return [str(address) for address in found if address is not None][:_MOST_SHEETS]


def branding_of(page: Page, sheets: Sequence[Page], notes: Sequence[str] = ()) -> Branding:
    """What page and style sheets say of the looks. Pure."""
    tree = LexborHTMLParser(page.text)
    inline = Page(page.url, "\n".join(node.text() or "" for node in tree.css("style")))
    name, _ = best_name([read(page.url, page.text)])
    data = structured.read(page.text, tree)
    logos = [(text, place) for about, text, place in data.said if about is About.LOGO]
    styles = [inline, *sheets]
    return Branding(
        url=page.url,
        name=name.text if name else None,
        colours=_all(
            _found(looks.theme_colours(tree), page.url), *(_found(looks.variables(one.text), one.url) for one in styles)
        ),
        logos=_all(_found(_addresses(page.url, logos), page.url), _found(looks.logos(tree, page.url), page.url)),
        fonts=_all(*(_found(looks.fonts(one.text), one.url) for one in styles)),
        images=_all(_found(_addresses(page.url, looks.shared_images(tree)), page.url)),
        notes=(*page.notes, *notes),
    )


def _addresses(base: str, found: Iterable[looks.Found]) -> Iterable[looks.Found]:
    for text, place in found:
        if address := looks.absolute(base, text):
            yield str(address), place


def _found(found: Iterable[looks.Found], source: str) -> list[Found]:
    return [Found(value=value, source=source, found_in=place) for value, place in found]


def _all(*groups: list[Found]) -> tuple[Found, ...]:
    """Each value once, in order."""
    each: dict[str, Found] = {}
    for one in (one for group in groups for one in group):
        each.setdefault(one.value.casefold(), one)
    return tuple(each.values())[:_MOST]
