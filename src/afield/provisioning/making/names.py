"""Names of people and firms that do not exist, and names made longer so that no two are equal. Pure."""

from __future__ import annotations

import numpy as np

from afield.provisioning.naming import variations
from afield.provisioning.recipe import Named, Pool

_FIRST_TEXT = """
Ada Alma Amir Ana Anders Anita Arno Astrid Ben Bianca Boris Carla Carmen Chen Clara Daria David Diego Dina Edgar
Elena Elias Emma Erik Esther Eva Farid Felix Fiona Flora Frank Greta Hanna Hassan Hugo Ida Ines Ivan Jana Jonas
Jorge Julia Karim Katya Kofi Lara Lars Leila Leo Lina Louis Lucia Maja Marco Maria Marta Mia Mila Mira Nadia
Naomi Nils Nina Noah Olga Omar Oscar Paula Pedro Petra Priya Rafael Rania Rosa Ruth Sami Sara Selma Simon Sofia
Stella Sven Tara Teresa Theo Tilda Tomas Uma Vera Victor Wanda Yara Yusuf Zoe
"""
_FIRST = tuple(_FIRST_TEXT.split())
_LAST_TEXT = """
Abbott Adler Almeida Andersen Bakker Barros Becker Bergman Bianchi Blom Bosch Brandt Bruno Carver Castro Cohen
Conti Costa Dahl Dubois Duarte Ekman Engel Eriksen Farkas Fischer Fontana Fraser Fuchs Garnier Gomez Haas Hansen
Hartley Hoffman Holm Horvat Ibsen Ito Ivanov Jansen Jensen Kaplan Keller Khan Klein Kovac Kumar Lange Larsen
Laurent Lehman Lindgren Lopez Lund Maier Marino Martens Mehta Meyer Moreau Moretti Navarro Nielsen Novak Olsen
Ortega Osman Patel Pereira Petit Pohl Popov Quinn Ramos Reyes Ricci Rivera Rossi Roth Sato Schmid Silva Simons
Sokolov Soto Stein Strand Suarez Tanaka Torres Turner Vargas Vega Vogel Wagner Walsh Weber Winter Wolf Young
Zimmer
"""
_LAST = tuple(_LAST_TEXT.split())
_FIRM_TEXT = """
Acorn Amber Apex Aspen Atlas Beacon Birch Blue Bright Canyon Cedar Cobalt Copper Coral Crest Crystal Delta Dune
Eagle Echo Elm Ember Falcon Fern Forge Garnet Glacier Golden Granite Harbor Hazel Heron Horizon Iron Ivory Jade
Juniper Lake Lark Laurel Lime Lotus Lunar Maple Meadow Mint Noble North Oak Onyx Opal Orchid Osprey Pearl Pine
Prairie Quartz Raven Ridge River Robin Ruby Sable Sage Sierra Silver Sparrow Spruce Stone Summit Terra Tidal
Timber Topaz Valley Velvet Vista Willow Zenith
"""
_FIRM = tuple(_FIRM_TEXT.split())
_TRADE_TEXT = """
Foods Works Partners Systems Trading Logistics Studio Labs Group Industries Supply Holding Media Energy Textiles
Services Tools Design Networks Materials Consulting Motors Health Ventures
"""
_TRADE = tuple(_TRADE_TEXT.split())


def names(recipe: Named, values: tuple[str, ...], rows: int, rng: np.random.Generator) -> tuple[str, ...]:
    """So many names, no two equal."""
    if recipe.pool is Pool.PEOPLE:
        return _pairs(_FIRST, _LAST, rows, rng)
    if recipe.pool is Pool.FIRMS:
        return _pairs(_FIRM, _TRADE, rows, rng)
    return variations(values, recipe.variants, rows)


def _pairs(first: tuple[str, ...], second: tuple[str, ...], rows: int, rng: np.random.Generator) -> tuple[str, ...]:
    total = len(first) * len(second)
    order = rng.permutation(total)
    found = []
    for row in range(rows):
        one, other = divmod(int(order[row % total]), len(second))
        found.append(f"{first[one]} {second[other]}" + (f" {_roman(row // total + 1)}" if row >= total else ""))
    return tuple(found)


def _roman(number: int) -> str:
    marks = ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
    text = ""
    for value, mark in marks:
        while number >= value:
            text, number = text + mark, number - value
    return text
