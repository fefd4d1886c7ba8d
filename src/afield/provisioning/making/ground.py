"""What facts are made on: the model, the dimensions that are made, and the days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from afield.provisioning.datamodel import DataModel
from afield.provisioning.making.calendar import Calendar
from afield.provisioning.making.popularity import Popularity
from afield.provisioning.making.values import Made


@dataclass(frozen=True, slots=True)
class Ground:
    """The same for all facts."""

    model: DataModel
    tables: Mapping[str, Made]
    days: Calendar


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of a fact before it is made: its rows, and who is popular through each of its references."""

    rows: int
    popular: Mapping[str, Popularity]
