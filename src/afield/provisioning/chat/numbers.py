"""Values as people read them: money with its currency, shares in percent, days by name. Pure."""

from __future__ import annotations

from datetime import date, datetime

from afield.provisioning.asking import named_day
from afield.provisioning.chat.periods import named_start
from afield.provisioning.datamodel import Format
from afield.provisioning.semantic.answer import AnswerColumn, Kind, Role
from afield.provisioning.warehouse.base import Value

_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_CHANGES = frozenset({Role.CHANGE, Role.GROWTH})
NOTHING = "\u2013"


def shown(value: Value, column: AnswerColumn, currency: str) -> str:
    """One cell of an answer."""
    if value is None:
        return "not known" if column.kind is Kind.DIMENSION else NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return named_start(value, column.grain) if column.grain else named_day(value)
    if isinstance(value, str):
        return value
    if column.role in _CHANGES:
        return f"{value * 100:+.1f}%"
    return number(value, column.format or Format.NUMBER, currency)


def number(value: float, form: Format, currency: str) -> str:
    """A number by its format."""
    if form is Format.PERCENT:
        return f"{value * 100:.1f}%"
    if form is Format.MONEY:
        return _money(value, currency)
    whole = isinstance(value, int) or value == int(value)
    return f"{value:,.0f}" if whole or abs(value) >= 10_000 else f"{value:,.2f}"


def _money(value: float, currency: str) -> str:
    amount = f"{abs(value):,.0f}" if abs(value) >= 1000 else f"{abs(value):,.2f}"
    minus = "-" if value < 0 else ""
    sign = _SIGNS.get(currency)
    return f"{minus}{sign}{amount}" if sign else f"{minus}{amount} {currency}"
