"""Reading one page: every statement with its place, and nothing that is not said."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afield.provisioning.company import About
from afield.provisioning.research import looks
from afield.provisioning.research.choosing import choose
from afield.provisioning.research.quoting import PRICE, price, quoted
from afield.provisioning.research.reading import Link, Reading, read

URL = "https://www.acme.example/"


def said(html: str, about: About) -> list[tuple[str, str]]:
    return [(one.text, one.found_in) for one in read(URL, html).statements if one.about is about]


def json_ld(data: object) -> str:
    return f'<html><head><script type="application/ld+json">{json.dumps(data)}</script></head><body></body></html>'


def test_an_organisation_in_json_ld() -> None:
    html = json_ld(
        {
            "@context": "https://schema.org",
            "@graph": [
                {
                    "@type": ["Organization", "LocalBusiness"],
                    "name": "Acme",
                    "description": "Anvils since 1920.",
                    "logo": {"@type": "ImageObject", "url": "/logo.png"},
                    "address": {"@type": "PostalAddress", "addressLocality": "Lyon", "addressCountry": "FR"},
                    "audience": {"@type": "Audience", "audienceType": "smiths"},
                    "areaServed": ["France", {"@type": "Country", "name": "Spain"}],
                }
            ],
        }
    )
    assert said(html, About.NAME) == [("Acme", "json-ld Organization")]
    assert said(html, About.SUMMARY) == [("Anvils since 1920.", "json-ld Organization")]
    assert {text for text, _ in said(html, About.PLACE)} == {"Lyon", "France", "Spain"}
    assert said(html, About.AUDIENCE) == [("smiths", "json-ld Audience")]
    assert said(html, About.LOGO) == [("/logo.png", "json-ld Organization")]


def test_products_in_json_ld_with_prices_and_categories() -> None:
    offer = {"@type": "Offer", "price": 12.5, "priceCurrency": "EUR"}
    product = {"@type": "Product", "name": "Anvil", "category": "Tools > Anvils", "offers": offer}
    service = {"@type": "https://schema.org/Service", "name": "Repair", "offers": {"price": "free"}}
    html = json_ld([{"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": product}]}, service])
    assert said(html, About.PRODUCT) == [("Repair", "json-ld Service"), ("Anvil", "json-ld Product")]
    assert said(html, About.CATEGORY) == [("Anvils", "json-ld Product")]
    assert said(html, About.PRICE) == [("€12.5", "json-ld Product")]


def test_a_broken_piece_does_not_spoil_the_others() -> None:
    html = '<script type="application/ld+json">{"@type": "Organ</script>' + json_ld({"@type": "Store", "name": "Acme"})
    assert said(html, About.NAME) == [("Acme", "json-ld Store")]
    assert "broken" in read(URL, html).notes[0]


def test_data_as_deep_as_you_like_is_read_as_deep_as_we_like() -> None:
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    html = f'<script type="application/ld+json">{deep}</script><p>hello</p>'
    assert read(URL, html).statements == ()


def test_open_graph_and_microdata() -> None:
    html = (
        '<html><head><meta property="og:site_name" content="Acme"><meta property="product:price:amount" content="9.90">'
        '<meta property="product:price:currency" content="USD"></head><body>'
        '<div itemscope itemtype="https://schema.org/Product"><b itemprop="name">Anvil</b></div></body></html>'
    )
    assert said(html, About.NAME) == [("Acme", "opengraph og:site_name")]
    assert said(html, About.PRICE) == [("$9.90", "opengraph product:price")]
    assert said(html, About.PRODUCT) == [("Anvil", "microdata Product")]


def test_prices_beside_one_title_are_products() -> None:
    html = (
        "<body><main><ul><li><h3>Soup</h3><span>€4.50</span></li><li><h3>Stew</h3> <span>€9</span></li></ul>"
        "<table><tr><th>Tea</th><td>£2.20</td></tr></table>"
        "<section><h2>One</h2><h2>Two</h2><p>5 EUR</p></section></main></body>"
    )
    assert said(html, About.PRODUCT) == [(name, "price list") for name in ("Soup", "Stew", "Tea")]
    assert [text for text, _ in said(html, About.PRICE)] == ["€4.50", "€9", "£2.20", "5 EUR"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from €1,299.00 a year", "€1,299.00"),
        ("1.299,00 EUR", "1.299,00 EUR"),
        ("CHF 40", "CHF 40"),
        ("$5", "$5"),
        ("save 20%", None),
        ("in 2024", None),
        ("EURO 2024", None),
        ("€50% off", None),
    ],
)
def test_prices_in_text(text: str, found: str | None) -> None:
    match = PRICE.search(text)
    assert (match[0] if match else None) == found


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [("12.50", "EUR", "€12.50"), (7, "sek", "7 SEK"), ("ask us", "EUR", ""), ("5", None, ""), (None, "EUR", "")],
)
def test_amounts_with_currencies(amount: object, currency: object, text: str) -> None:
    assert price(amount, currency) == text


def test_navigation_names_categories_by_their_addresses() -> None:
    html = (
        '<nav><a href="/shop/boots">Boots</a><a href="/things">Things</a><a href="/things/lamps">Lamps</a>'
        '<a href="/about">About</a><a href="/about/team">Team</a><a href="/news/today">Today</a></nav>'
    )
    assert said(html, About.CATEGORY) == [("Boots", "navigation"), ("Lamps", "navigation")]


@pytest.mark.parametrize(
    ("line", "town"),
    [
        ("10119 Berlin", "Berlin"),
        ("3087 BM Rotterdam", "Rotterdam"),
        ("602 00 Brno", "Brno"),
        ("2750-300 Cascais", "Cascais"),
        ("Leeds, LS10 1JP", "Leeds"),
        ("Columbus, OH 43215", "Columbus"),
        ("Tel 030 1234", None),
    ],
)
def test_towns_of_addresses(line: str, town: str | None) -> None:
    found = said(f"<address>Some Street 1<br>{line}</address>", About.PLACE)
    assert [text for text, _ in found] == ([town] if town else [])


def test_owner_audience_logo_and_colours() -> None:
    html = (
        '<head><title>x</title><meta name="theme-color" content="#AABBCC"><style>:root{--brand:#123456}</style></head>'
        '<body><header><img class="site-logo" src="img/l.svg"></header><main><p>Tools built for small workshops and '
        "schools.</p></main><footer>© 2020-2026 Acme Ltd. All rights reserved</footer></body>"
    )
    assert said(html, About.NAME) == [("Acme Ltd", "copyright line")]
    assert said(html, About.AUDIENCE) == [("small workshops and schools", "text")]
    assert said(html, About.LOGO) == [(f"{URL}img/l.svg", "image called logo")]
    assert said(html, About.COLOUR) == [("#aabbcc", "meta theme-color"), ("#123456", "css --brand")]


def test_a_page_that_needs_scripts_is_said_to_be_so() -> None:
    html = (
        '<title>Acme</title><div id="root"></div><noscript>Please enable JavaScript.</noscript>'
        '<script src="a.js"></script>'
    )
    reading = read(URL, html)
    assert reading.script_only
    assert "without JavaScript" in reading.notes[0]
    assert not read(URL, "<title>Acme</title><p>Short and honest.</p>").script_only


def test_hidden_text_is_not_read() -> None:
    html = (
        '<main><p style="display:none">Evil Corp</p><p hidden>Evil</p><p>Good people make good bread here.</p></main>'
    )
    assert "Evil" not in read(URL, html).text


def test_links_of_the_site_only() -> None:
    html = (
        '<a href="/a#x">A</a><a href="https://acme.example/b">B</a><a href="https://other.example/c">C</a>'
        '<a href="mailto:x@y">M</a><a href="javascript:x">J</a><a href="http://[">broken</a><a href="/a">A again</a>'
    )
    assert [link.url for link in read(URL, html).links] == [f"{URL}a", "https://acme.example/b"]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=300))
def test_nothing_on_a_page_breaks_the_reader(text: str) -> None:
    html = f"<html><head><title>{text}</title></head><body><nav><a href='{text}'>{text}</a></nav>{text}<p>€5</p></body>"
    reading = read(URL, html)
    assert isinstance(reading, Reading)
    assert all(one.text == quoted(one.text) for one in reading.statements)


def test_quotes_are_short_and_on_one_line() -> None:
    assert quoted(" a\x00b\n\tc\u202e ") == "a b c"
    assert len(quoted("x " * 5000)) <= 2000


def test_pages_are_chosen_a_few_of_each_kind() -> None:
    paths = (
        "login privacy shop shop/boots shop/boots/red about blog/1 pricing locations careers brochure.pdf shop?page=2 "
        "our-story lamps lamps/desk"
    )
    links = [Link(URL + path, path) for path in paths.split()]
    chosen = [url.removeprefix(URL) for url in choose(links, [URL], 20)]
    assert chosen[:4] == ["shop", "about", "pricing", "locations"]
    assert set(chosen[4:]) == {"shop/boots", "shop/boots/red", "our-story", "lamps", "lamps/desk"}
    assert choose(links, [URL, URL + "shop/", URL + "about"], 1) == [URL + "lamps"]


def test_fonts_and_colours_of_style_sheets() -> None:
    css = (
        ':root{--space:8px;--grey:#888;--primary:#ABC123} body{font-family:"Nunito Sans",serif} p{font-family:inherit}'
    )
    assert looks.variables(css) == [("#abc123", "css --primary"), ("#888", "css --grey")]
    assert looks.fonts(css) == [("Nunito Sans", "css font-family")]
