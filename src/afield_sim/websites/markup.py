"""Structured data of a page: JSON-LD and OpenGraph."""

import json
from html import escape

from .company import Item, Place, Section, WebCompany

_CONTEXT = "https://schema.org"


def company_json_ld(company: WebCompany, origin: str) -> str:
    """The company itself and its site, as one graph."""
    organisation = {
        "@type": company.type,
        "@id": f"{origin}/#company",
        "name": company.name,
        "legalName": company.legal,
        "description": company.description,
        "slogan": company.slogan,
        "url": f"{origin}/",
        "logo": {"@type": "ImageObject", "url": f"{origin}/logo.svg"},
        "address": [_address(place) for place in company.places],
    }
    if company.audience:
        organisation["audience"] = {"@type": "Audience", "audienceType": company.audience}
    site = {"@type": "WebSite", "name": company.name, "url": f"{origin}/", "publisher": {"@id": f"{origin}/#company"}}
    return _script({"@context": _CONTEXT, "@graph": [organisation, site]})


def section_json_ld(company: WebCompany, section: Section, origin: str, path: str) -> str:
    """A list of what a section offers, with where it stands in the site."""
    items = [
        {"@type": "ListItem", "position": number + 1, "item": _product(company, section, item)}
        for number, item in enumerate(section.items)
    ]
    trail = [("Home", "/"), (company.offer.label, f"/{company.offer.path}"), (section.name, path)]
    crumbs = [
        {"@type": "ListItem", "position": number + 1, "name": name, "item": origin + where}
        for number, (name, where) in enumerate(trail)
    ]
    listed = {"@context": _CONTEXT, "@type": "ItemList", "name": section.name, "itemListElement": items}
    return _script(listed) + _script({"@context": _CONTEXT, "@type": "BreadcrumbList", "itemListElement": crumbs})


def item_json_ld(company: WebCompany, section: Section, item: Item) -> str:
    """One product."""
    return _script({"@context": _CONTEXT, **_product(company, section, item)})


def open_graph(company: WebCompany, title: str, description: str, address: str) -> str:
    """What is shown where somebody shares the page."""
    origin = "/".join(address.split("/")[:3])
    properties = {
        "og:site_name": company.name,
        "og:title": title,
        "og:description": description,
        "og:type": "website",
        "og:url": address,
        "og:image": f"{origin}/logo.svg",
    }
    return "".join(f'<meta property="{key}" content="{escape(value)}">\n' for key, value in properties.items())


def _product(company: WebCompany, section: Section, item: Item) -> dict[str, object]:
    product: dict[str, object] = {
        "@type": "Product",
        "name": item.name,
        "description": item.text,
        "category": section.name,
        "brand": {"@type": "Brand", "name": company.name},
    }
    if item.price is not None:
        product["offers"] = {"@type": "Offer", "price": f"{item.price:.2f}", "priceCurrency": company.currency}
    return product


def _address(place: Place) -> dict[str, str]:
    return {
        "@type": "PostalAddress",
        "streetAddress": place.street,
        "postalCode": place.code,
        "addressLocality": place.city,
        "addressCountry": place.country,
    }


def _script(data: object) -> str:
    text = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    return f'<script type="application/ld+json">{text}</script>\n'
