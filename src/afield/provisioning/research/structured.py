"""Statements out of what a page says to machines: JSON-LD, microdata (schema.org) and OpenGraph. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from selectolax.lexbor import LexborHTMLParser

from afield.provisioning.company import About
from afield.provisioning.research.quoting import Said, price

Node: TypeAlias = Mapping[str, Any]
_DEEPEST, _MOST_NODES = 12, 3000
_ORGANISATIONS = frozenset(
    {"Organization", "Corporation", "LocalBusiness", "NGO", "OnlineBusiness", "Airline", "Hotel", "Resort", "Hostel"}
    | {"Restaurant", "FoodEstablishment", "Bakery", "CafeOrCoffeeShop", "BarOrPub", "Hospital", "MedicalClinic"}
    | {"Dentist", "Physician", "Pharmacy", "School", "CollegeOrUniversity", "InsuranceAgency", "BankOrCreditUnion"}
    | {"TravelAgency", "AutoDealer", "RealEstateAgent", "Library", "Brewery", "Winery", "SportsClub"}
)
_ENDINGS = ("Store", "Business", "Organization", "Service", "Shop")
_PRODUCTS = frozenset(
    {"Product", "ProductGroup", "IndividualProduct", "ProductModel", "Service", "MenuItem", "Course", "Vehicle", "Car"}
    | {"SoftwareApplication", "WebApplication", "MobileApplication", "VideoGame", "Game", "Movie", "TVSeries", "Book"}
    | {"HotelRoom", "Suite", "Room", "Apartment", "BankAccount", "FinancialProduct", "CreditCard", "LoanOrCredit"}
    | {"MortgageLoan", "EducationalOccupationalProgram", "TouristTrip", "MedicalProcedure"}
)
_GROUPS = frozenset({"OfferCatalog", "MenuSection", "CollectionPage", "ProductCollection"})


@dataclass(frozen=True, slots=True)
class Structured:
    """What was said, what could not be read, and whether there was anything."""

    said: tuple[Said, ...]
    notes: tuple[str, ...]
    found: bool


def read(html: str, page: LexborHTMLParser) -> Structured:
    """All structured data of a page. `html` is the page as text, `page` as parsed."""
    notes: list[str] = []
    nodes = [(node, "json-ld") for node in _json_ld(page, notes)]
    if "itemtype" in html:
        nodes += [(node, "microdata") for node in _microdata(html)]
    graph = _open_graph(html) if "og:" in html or "product:" in html else []
    said = [one for node, where in nodes for inner in _walk(node) for one in _of_node(inner, where)]
    said += [one for key, value in graph for one in _of_property(key, value)]
    said += _shared_price(graph)
    return Structured(tuple(said), tuple(notes), bool(nodes or graph))


def _json_ld(page: LexborHTMLParser, notes: list[str]) -> Iterator[Any]:
    """What each JSON-LD script has; a broken one does not spoil the others."""
    from extruct.jsonld import JsonLdExtractor  # type: ignore[import-untyped]  # noqa: PLC0415 - a second to import

    for script in page.css('script[type="application/ld+json"]'):
        text = (script.text() or "").strip()
        if text:
            try:
                wrapped = f'<script type="application/ld+json">{text}</script>'
                yield JsonLdExtractor().extract(wrapped)
            except (ValueError, RecursionError):
                notes.append("a piece of its structured data is broken and was left out")


def _microdata(html: str) -> list[Any]:
    import extruct  # type: ignore[import-untyped]  # noqa: PLC0415 - a second to import

    found: list[Any] = extruct.extract(html, syntaxes=["microdata"], uniform=True, errors="ignore").get("microdata", [])
    return found


def _open_graph(html: str) -> list[tuple[str, str]]:
    import extruct  # noqa: PLC0415 - a second to import

    found = extruct.extract(html, syntaxes=["opengraph"], errors="ignore").get("opengraph", [])
    return [(str(key), str(value)) for one in found for key, value in one.get("properties", [])]


def _walk(value: object) -> Iterator[Node]:
    """Every object in it, outer ones first; not too deep, not too many."""
    edge: list[tuple[object, int]] = [(value, 0)]
    seen = 0
    while edge and seen < _MOST_NODES:
        at, depth = edge.pop(0)
        seen += 1
        if isinstance(at, Mapping):
            yield at
        if depth < _DEEPEST and isinstance(at, Mapping | list):
            inner = at.values() if isinstance(at, Mapping) else at
            edge.extend((one, depth + 1) for one in inner if isinstance(one, Mapping | list))


def _of_node(node: Node, where: str) -> Iterator[Said]:
    for kind in _kinds(node):
        place = f"{where} {kind}"
        if kind in _PRODUCTS:
            yield from _of_product(node, place)
        elif kind in _ORGANISATIONS or kind.endswith(_ENDINGS):
            yield from _of_organisation(node, place)
        elif kind == "WebSite":
            yield from _texts(About.NAME, node.get("name"), place)
        elif kind in _GROUPS:
            yield from _texts(About.CATEGORY, node.get("name"), place)
        elif kind == "BreadcrumbList":
            yield from _of_trail(node, place)
        elif kind == "PostalAddress":
            yield from _of_address(node, place)
        elif kind in {"Audience", "PeopleAudience", "BusinessAudience", "EducationalAudience"}:
            yield from _texts(About.AUDIENCE, node.get("audienceType") or node.get("name"), place)


def _of_organisation(node: Node, place: str) -> Iterator[Said]:
    yield from _texts(About.NAME, node.get("name"), place)
    yield from _texts(About.SUMMARY, node.get("description") or node.get("slogan"), place)
    for logo in _listed(node.get("logo")):
        yield from _texts(
            About.LOGO, logo.get("url") or logo.get("contentUrl") if isinstance(logo, Mapping) else logo, place
        )
    yield from _texts(About.PLACE, node.get("areaServed"), place)
    yield from _texts(About.PRICE, node.get("priceRange"), place)


def _of_product(node: Node, place: str) -> Iterator[Said]:
    yield from _texts(About.PRODUCT, node.get("name"), place)
    for category in _listed(node.get("category")):
        name = category.get("name") if isinstance(category, Mapping) else category
        # Paths such as "Home > Shoes > Boots" end with what is meant.
        yield from _texts(About.CATEGORY, name.split(">")[-1] if isinstance(name, str) else name, place)
    for offer in _listed(node.get("offers")):
        if isinstance(offer, Mapping):
            amount = offer.get("price") or offer.get("lowPrice")
            yield from _texts(About.PRICE, price(amount, offer.get("priceCurrency")), place)


def _of_address(node: Node, place: str) -> Iterator[Said]:
    country = node.get("addressCountry")
    name = country.get("name") if isinstance(country, Mapping) else country
    yield from _texts(About.PLACE, node.get("addressLocality") or node.get("addressRegion") or name, place)


def _of_trail(node: Node, place: str) -> Iterator[Said]:
    """Between the first step, which is the home page, and the last, which is this page, stand its categories."""
    steps = [one for one in _listed(node.get("itemListElement")) if isinstance(one, Mapping)]
    for step in steps[2:]:
        item = step.get("item")
        yield from _texts(
            About.CATEGORY, step.get("name") or (item.get("name") if isinstance(item, Mapping) else ""), place
        )


def _of_property(key: str, value: str) -> Iterator[Said]:
    about = {
        "og:site_name": About.NAME,
        "og:description": About.SUMMARY,
        "og:locality": About.PLACE,
        "og:country-name": About.PLACE,
        "og:logo": About.LOGO,
        "product:category": About.CATEGORY,
    }.get(key)
    if about:
        yield about, value, f"opengraph {key}"


def _shared_price(graph: list[tuple[str, str]]) -> list[Said]:
    found = dict(graph)
    text = price(found.get("product:price:amount"), found.get("product:price:currency"))
    return [(About.PRICE, text, "opengraph product:price")] if text else []


def _texts(about: About, value: object, place: str) -> Iterator[Said]:
    for one in _listed(value):
        text = one.get("name") or one.get("@value") if isinstance(one, Mapping) else one
        if isinstance(text, str) and text.strip():
            yield about, text, place


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def _kinds(node: Node) -> list[str]:
    """The types of a node without their vocabulary's address."""
    return [str(kind).rsplit("/", 1)[-1].rsplit(":", 1)[-1] for kind in _listed(node.get("@type"))]
