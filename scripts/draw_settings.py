"""Write the tables of settings in docs/configuration.md anew from the classes that read them.

`--check` writes nothing and ends with status 1 when the page is not up to date.
"""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from afield.config import Settings
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.settings import ProvisionSettings

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
BEGIN = "<!-- settings: written by scripts/draw_settings.py -->"
END = "<!-- /settings -->"


HEADINGS: dict[str, type[BaseSettings]] = {
    "": Settings,
    "Provisioning": ProvisionSettings,
    "Language model": LlmSettings,
}


def tables() -> str:
    """All settings; under a heading those that one product reads."""
    return "\n\n".join(f"## {title}\n\n{table(one)}" if title else table(one) for title, one in HEADINGS.items())


def table(settings: type[BaseSettings]) -> str:
    """One line a setting: the variable, its default, what it does."""
    prefix = settings.model_config.get("env_prefix", "")
    lines = ["| Variable | Default | What it does |", "|---|---|---|"]
    for name, field in settings.model_fields.items():
        lines.append(f"| `{(prefix + name).upper()}` | {_default(field)} | {_description(name, field)} |")
    return "\n".join(lines)


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    if field.default_factory is not None:
        return "computed"
    if value is PydanticUndefined:
        return "has to be set"
    if value is None or (value.get_secret_value() if isinstance(value, SecretStr) else value) == "":
        return "not set"
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _description(name: str, field: FieldInfo) -> str:
    if not field.description:
        sys.exit(f"draw_settings: the setting {name!r} has no description.")
    return " ".join(field.description.split()).replace("|", "\\|")


def drawn(page: str) -> str:
    """The page with the table between the two markers. Raises ValueError when a marker is missing."""
    before, marker, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not marker or not end:
        raise ValueError(f"the page lacks a marker, {BEGIN} or {END}")
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def main() -> None:
    old = PAGE.read_text(encoding="utf-8")
    new = drawn(old)
    if "--check" in sys.argv[1:]:
        if new != old:
            sys.exit(f"draw_settings: {PAGE.name} is out of date; run scripts/draw_settings.py.")
        return
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
