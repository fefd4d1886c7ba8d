"""Quoting a page's words: on one line, without control characters, not too long. Pure."""

from __future__ import annotations

import re
from typing import TypeAlias

from afield.provisioning.company import About

Said: TypeAlias = tuple[About, str, str]
"""What is said: about what, in which words, and where on the page."""
_MOST = 2000
_SIGN_OF = {"EUR": "€", "GBP": "£", "USD": "$"}
_AMOUNT = r"\d{1,3}(?:[.,' \u00a0]\d{3})*(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_CURRENCY = r"[€£$¥]|EUR|GBP|USD|CHF|SEK|NOK|DKK|PLN|CZK|CAD|AUD|JPY"
PRICE = re.compile(rf"(?:(?:{_CURRENCY})\s?(?:{_AMOUNT})(?![\d%])|(?<![\d.,])(?:{_AMOUNT})\s?(?:{_CURRENCY})(?!\w))")


def quoted(text: str) -> str:
    """The words of a page as they can be handed on; empty if there are none."""
    printable = "".join(char if char.isprintable() else " " for char in text[: 4 * _MOST])
    return " ".join(printable.split())[:_MOST].strip()


def price(amount: object, currency: object) -> str:
    """An amount with its currency, as `€12.50`; empty if one of them is missing or no number."""
    text, name = str(amount or "").strip(), str(currency or "").strip().upper()
    if not re.fullmatch(r"\d{1,9}(?:[.,]\d{1,4})?", text) or not re.fullmatch(r"[A-Z]{3}", name):
        return ""
    return f"{_SIGN_OF[name]}{text}" if name in _SIGN_OF else f"{text} {name}"
