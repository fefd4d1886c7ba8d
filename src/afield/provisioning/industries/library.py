"""The industries Afield knows: one YAML file each beside this one, read and checked once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml
from pydantic import ValidationError

from afield.errors import AfieldError, NotFoundError
from afield.provisioning.industries.template import Template


class TemplateError(AfieldError):
    """A template cannot be used."""

    code = "template"


@cache
def industries() -> tuple[Template, ...]:
    """All templates, by name. Raises TemplateError, which names file, place and flaw."""
    folder = files(__package__) / "templates"
    found = sorted(folder.iterdir(), key=lambda file: file.name)
    return tuple(parse(file.read_text("utf-8"), file.name) for file in found if file.name.endswith(".yaml"))


def template(name: str) -> Template:
    """One industry's. Raises NotFoundError."""
    for one in industries():
        if one.name == name:
            return one
    known = ", ".join(one.name for one in industries())
    raise NotFoundError(f"There is no template for the industry {name!r}.", hint=f"Use one of {known}.")


def parse(text: str, file: str) -> Template:
    """Read one template. Raises TemplateError."""
    try:
        return Template.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise TemplateError(f"{file} is not YAML: {error}", hint="Check its indentation and quotes.") from error
    except ValidationError as error:
        flaws = "; ".join(f"{_place(one['loc'])}: {one['msg'].removeprefix('Value error, ')}" for one in error.errors())
        hint = "docs/provisioning-industries.md explains the format."
        raise TemplateError(f"{file} is no template: {flaws}.", hint=hint) from error


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "the whole"
