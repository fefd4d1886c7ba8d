"""The pages of a company's site as HTML."""

import re
import unicodedata
from html import escape

from .company import Item, Section, WebCompany
from .markup import company_json_ld, item_json_ld, open_graph, section_json_ld

_SIGNS = {"EUR": "€", "GBP": "£", "USD": "$"}


class Pages:
    """All pages of one company at one origin (`http://127.0.0.1:8080`), by path."""

    def __init__(self, company: WebCompany, origin: str) -> None:
        self._company = company
        self._origin = origin
        self._offer = f"/{company.offer.path}"

    def all(self) -> dict[str, str]:
        """Every page by its path."""
        company = self._company
        pages = {
            "/": self._home(),
            "/about": self._about(),
            "/locations": self._locations(),
            "/contact": self._contact(),
            "/privacy": self._whole("/privacy", "Privacy", "<h1>Privacy</h1><p>We keep what the law asks for.</p>"),
            "/login": self._whole("/login", "Log in", "<h1>Log in</h1><form><input name='user'></form>"),
            self._offer: self._overview(),
        }
        for section in company.sections:
            pages[self._path(section)] = self._section(section)
            for item in section.items:
                pages[self._path(section, item)] = self._item(section, item)
        return pages

    def _home(self) -> str:
        company = self._company
        teasers = "".join(
            f'<li><h3><a href="{self._path(one)}">{escape(one.name)}</a></h3><p>{escape(one.text)}</p></li>'
            for one in company.sections
        )
        audience = f"<p>Made for {escape(company.audience)}.</p>" if company.audience else ""
        body = (
            f'<section class="hero"><h1>{escape(company.slogan)}</h1><p>{escape(company.description)}</p></section>'
            f'<p>{escape(company.about[0])}</p><ul class="teasers">{teasers}</ul>{audience}'
        )
        data = company_json_ld(company, self._origin) if "json-ld" in company.markup else ""
        return self._whole("/", f"{company.name} - {company.slogan}", body, data, named=True)

    def _about(self) -> str:
        text = "".join(f"<p>{escape(one)}</p>" for one in self._company.about)
        return self._whole("/about", "About us", f"<article><h1>About us</h1>{text}</article>")

    def _locations(self) -> str:
        places = "".join(
            f"<li><address>{escape(one.street)}<br>{escape(_town(one.code, one.city, one.country))}</address></li>"
            for one in self._company.places
        )
        return self._whole("/locations", "Where to find us", f"<h1>Where to find us</h1><ul>{places}</ul>")

    def _contact(self) -> str:
        first = self._company.places[0]
        text = f"<h1>Contact</h1><p>Write to {escape(self._company.legal)}, {escape(first.street)}.</p>"
        return self._whole("/contact", "Contact", text)

    def _overview(self) -> str:
        label = self._company.offer.label
        parts = "".join(
            f'<section><h2><a href="{self._path(one)}">{escape(one.name)}</a></h2><p>{escape(one.text)}</p>'
            f"{self._items(one)}</section>"
            for one in self._company.sections
        )
        return self._whole(self._offer, label, f"<h1>{escape(label)}</h1>{parts}")

    def _section(self, section: Section) -> str:
        path = self._path(section)
        has_data = "json-ld" in self._company.markup
        data = section_json_ld(self._company, section, self._origin, path) if has_data else ""
        body = f"<h1>{escape(section.name)}</h1><p>{escape(section.text)}</p>{self._items(section)}"
        return self._whole(path, section.name, body, data)

    def _item(self, section: Section, item: Item) -> str:
        data = item_json_ld(self._company, section, item) if "json-ld" in self._company.markup else ""
        body = f"<h1>{escape(item.name)}</h1><p>{escape(item.text)}</p>{self._price(item)}"
        return self._whole(self._path(section, item), item.name, body, data)

    def _items(self, section: Section) -> str:
        match self._company.layout:
            case "cards":
                return "".join(self._card(section, item) for item in section.items)
            case "list":
                lines = "".join(
                    f"<li>{self._named(section, item)} {escape(item.text)} {self._price(item)}</li>"
                    for item in section.items
                )
                return f'<ul class="offer">{lines}</ul>'
            case "table":
                rows = "".join(
                    f"<tr><th>{self._named(section, item)}</th><td>{escape(item.text)}</td>"
                    f"<td>{self._price(item)}</td></tr>"
                    for item in section.items
                )
                return f"<table>{rows}</table>"

    def _card(self, section: Section, item: Item) -> str:
        named = f"<h3>{self._named(section, item)}</h3>"
        scope = ""
        if "microdata" in self._company.markup:
            scope = ' itemscope itemtype="https://schema.org/Product"'
            category = f'<meta itemprop="category" content="{escape(section.name)}">'
            named = f'<h3 itemprop="name">{escape(item.name)}</h3>{category}'
        return f'<article class="card"{scope}>{named}<p>{escape(item.text)}</p>{self._price(item)}</article>'

    def _named(self, section: Section, item: Item) -> str:
        return f'<a class="name" href="{self._path(section, item)}">{escape(item.name)}</a>'

    def _price(self, item: Item) -> str:
        if item.price is None:
            return ""
        currency = self._company.currency
        text = f"{_SIGNS[currency]}{item.price:,.2f}"
        if "microdata" not in self._company.markup:
            return f'<span class="price">{text}</span>'
        return (
            '<span itemprop="offers" itemscope itemtype="https://schema.org/Offer">'
            f'<meta itemprop="priceCurrency" content="{currency}">'
            f'<span class="price" itemprop="price" content="{item.price:.2f}">{text}</span></span>'
        )

    def _whole(self, path: str, title: str, body: str, data: str = "", *, named: bool = False) -> str:
        company = self._company
        whole_title = title if named else f"{title} | {company.name}"
        shared = ""
        if "opengraph" in company.markup:
            shared = open_graph(company, whole_title, company.description, self._origin + path)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(whole_title)}</title>\n'
            f'<meta name="description" content="{escape(company.description)}">\n'
            f'<meta name="theme-color" content="{company.theme.primary}">\n{shared}{data}'
            '<link rel="icon" href="/favicon.ico"><link rel="stylesheet" href="/style.css"></head>\n'
            f"<body><header>{self._header()}</header>\n<main>{body}</main>\n"
            f"<footer>{self._footer()}</footer></body></html>"
        )

    def _header(self) -> str:
        company = self._company
        inner = "".join(f'<li><a href="{self._path(one)}">{escape(one.name)}</a></li>' for one in company.sections)
        return (
            f'<a href="/"><img class="logo" src="/logo.svg" alt="{escape(company.name)}"></a><nav><ul>'
            f'<li><a href="{self._offer}">{escape(company.offer.label)}</a><ul>{inner}</ul></li>'
            '<li><a href="/about">About us</a></li><li><a href="/locations">Locations</a></li>'
            '<li><a href="/contact">Contact</a></li><li><a href="/login">Log in</a></li></ul></nav>'
        )

    def _footer(self) -> str:
        links = '<a href="/privacy">Privacy</a> <a href="/contact">Contact</a>'
        return f"<p>© 2009-2026 {escape(self._company.legal)}</p>{links}"

    def _path(self, section: Section, item: Item | None = None) -> str:
        path = f"{self._offer}/{_slug(section.name)}"
        return path if item is None else f"{path}/{_slug(item.name)}"


def style_sheet(company: WebCompany) -> str:
    """Its colours and fonts."""
    theme = company.theme
    return (
        f":root {{ --primary: {theme.primary}; --accent-color: {theme.accent}; --space: 8px; }}\n"
        f'body {{ font-family: "{theme.font}", sans-serif; color: #222; }}\n'
        ".card { border: 1px solid var(--accent-color); }\n"
    )


def logo(company: WebCompany) -> str:
    """Its initial in a circle."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<circle cx="32" cy="32" r="32" fill="{company.theme.primary}"/>'
        f'<text x="32" y="42" text-anchor="middle" font-size="30" fill="#fff">{escape(company.name[0])}</text></svg>'
    )


def _town(code: str, city: str, country: str) -> str:
    """As people write it in that country."""
    if country in {"US", "GB"}:
        return f"{city}, {code}"
    return f"{code} {city}"


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
