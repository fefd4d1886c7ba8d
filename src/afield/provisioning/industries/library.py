"""The industries Afield knows: one YAML file each beside this one, read and checked once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml
from pydantic import ValidationError

from afield.errors import AfieldError, NotFoundError
from afield.provisioning.industries.template import Template

_FOLDER = files(__package__) / "templates"
_ENDING = ".yaml"
_Loader: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class TemplateError(AfieldError):
    """A template cannot be used."""

    code = "template"


@cache
def industries() -> tuple[Template, ...]:
    """All templates, by name. Raises TemplateError, which names file, place and flaw."""
    return tuple(map(template, _names()))


@cache
def template(name: str) -> Template:
    """One industry's. Raises NotFoundError, TemplateError."""
    if name not in _names():
        hint = f"Use one of {', '.join(_names())}."
        raise NotFoundError(f"There is no template for the industry {name!r}.", hint=hint)
    file = _FOLDER / f"{name}{_ENDING}"
    return parse(file.read_text("utf-8"), file.name)


@cache
def _names() -> tuple[str, ...]:
    """A template's file has its name."""
    return tuple(sorted(file.name.removesuffix(_ENDING) for file in _FOLDER.iterdir() if file.name.endswith(_ENDING)))


def parse(text: str, file: str) -> Template:
    """Read one template. Raises TemplateError."""
    try:
        return Template.model_validate(yaml.load(text, Loader=_Loader))  # noqa: S506 - a safe one, either way
    except yaml.YAMLError as error:
        raise TemplateError(f"{file} is not YAML: {error}", hint="Check its indentation and quotes.") from error
    except ValidationError as error:
        flaws = "; ".join(f"{_place(one['loc'])}: {one['msg'].removeprefix('Value error, ')}" for one in error.errors())
        hint = "docs/provisioning-industries.md explains the format."
        raise TemplateError(f"{file} is no template: {flaws}.", hint=hint) from error


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "the whole"
