"""What a company's site tells: one YAML file each under `companies/`."""

from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Markup = Literal["json-ld", "opengraph", "microdata"]


class Told(BaseModel):
    """Base: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(Told):
    """An address of the company."""

    street: str
    code: str
    city: str
    country: str


class Item(Told):
    """Something on offer. Without a price it is offered all the same."""

    name: str
    text: str
    price: float | None = None


class Section(Told):
    """A group of what is on offer."""

    name: str
    text: str
    items: tuple[Item, ...] = Field(min_length=1)


class Offer(Told):
    """What the site calls its offer, and the path of that page."""

    label: str
    path: str


class Theme(Told):
    """How it looks."""

    primary: str
    accent: str
    font: str


class WebCompany(Told):
    """Everything on a company's site. `markup` says which structured data its pages carry."""

    name: str
    legal: str
    industry: str
    type: str
    slogan: str
    description: str
    audience: str = ""
    markup: tuple[Markup, ...]
    layout: Literal["cards", "list", "table"]
    offer: Offer
    currency: Literal["EUR", "GBP", "USD"]
    theme: Theme
    places: tuple[Place, ...]
    about: tuple[str, ...]
    sections: tuple[Section, ...]


@cache
def companies() -> dict[str, WebCompany]:
    """All companies by the name of their file. Blocks: reads files once."""
    folder = files(__package__) / "companies"
    found = [file for file in folder.iterdir() if file.name.endswith(".yaml")]
    return {
        file.name.removesuffix(".yaml"): WebCompany.model_validate(yaml.safe_load(file.read_text("utf-8")))
        for file in sorted(found, key=lambda file: file.name)
    }
