"""Which pages of a site are worth reading: a few of each kind, told by their addresses and labels. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain, zip_longest

from yarl import URL

from afield.provisioning.research.reading import Link

_KINDS = (
    r"products?|produkte?|shop|store|catalog(ue)?|collections?|menu|karte|services?|leistungen|solutions?|offers?|rooms?"
    r"|programm?es?|courses?|departments?|insurance|accounts?|browse|games|tariffs?|our[- ]work",
    r"about|company|who[- ]we[- ]are|our[- ]story|ueber[- ]uns|über[- ]uns|unternehmen|a[- ]propos|qui[- ]sommes",
    r"pric(es?|ing)|plans?|preise|tarife?|rates",
    r"locations?|stores|branches|where|find[- ]us|standorte|filialen|contact|kontakt|imprint|impressum",
    r"customers?|industries|references|case[- ]stud(y|ies)|kunden|branchen|for[- ]business",
)
_WORTH = tuple(re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])", re.IGNORECASE) for words in _KINDS)
_WORTHLESS = re.compile(
    r"(?<![^\W_])(?:log-?in|sign-?(in|up)|register|account/|my-?account|cart|basket|checkout|wish-?list|privacy|terms"
    r"|cookies?|legal|jobs?|careers?|press|news|blog|events?|search|rss|feed|datenschutz|agb)(?![^\W_])"
    r"|\.(?:pdf|jpe?g|png|gif|svg|zip|mp4|xml|docx?|xlsx?)$",
    re.IGNORECASE,
)
_MOST_LINKS = 500


def choose(links: Iterable[Link], known: Iterable[str], most: int) -> list[str]:
    """Up to `most` addresses that are not `known`: the best of each kind, then the second best, and so on.

    Short paths come before long ones: what stands near the top of a site tells more of the company.
    """
    seen = {_key(url) for url in known}
    kinds: list[list[Link]] = [[] for _ in range(len(_WORTH) + 1)]
    some = list(links)[:_MOST_LINKS]
    parents = {str(URL(link.url).parent.path) for link in some} - {"/"}
    for link in some:
        kind = _kind(link, parents)
        if kind is not None and _key(link.url) not in seen:
            seen.add(_key(link.url))
            kinds[kind].append(link)
    ordered = (sorted(kind, key=lambda link: _depth(link.url)) for kind in kinds)
    return [link.url for link in chain.from_iterable(zip_longest(*ordered)) if link is not None][:most]


def _kind(link: Link, parents: set[str]) -> int | None:
    """The number of its kind; others that have pages below them are an offer, those pages are the last kind."""
    url = URL(link.url)
    if url.query_string or _WORTHLESS.search(url.path) or _WORTHLESS.search(link.label):
        return None
    *above, last = [part for part in url.path.split("/") if part] or [""]
    for number, words in enumerate(_WORTH):
        if words.search(last) or (not above and words.search(link.label)):
            return number
    if url.path.rstrip("/") in parents:
        return 0
    return len(_WORTH) if above else None


def _depth(url: str) -> int:
    return URL(url).path.rstrip("/").count("/")


def _key(url: str) -> str:
    return str(URL(url).with_fragment(None)).rstrip("/")
