"""The OpenAPI document is complete, and docs/api.md tells of every route."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afield.api.app import create_app
from afield.config import Settings

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_route_says_what_it_does_and_how_it_fails(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation["description"], name
        if not name.endswith("z"):
            for status in ("4XX", "5XX"):
                assert "application/problem+json" in operation["responses"][status]["content"], name
    assert {"Problem", "FieldError"} <= document["components"]["schemas"].keys()
    assert document["components"]["securitySchemes"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in re.findall(r"#/components/schemas/(\w+)", str(document)):
        assert name in schemas
    for name, schema in schemas.items():
        for reference in re.findall(r"'\$ref': '([^']+)'", str(schema)):
            assert reference.startswith("#/components/schemas/"), name


def test_what_is_sent_has_examples(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        if name in {"NewExecutionBody", "NewTargetBody", "NewCredentialBody", "WorkflowBody", "ReconcileBody"}:
            assert "examples" in str(schema), name


def test_the_page_tells_of_every_route(document: dict[str, Any]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`\s?]*)", page))
    routes = {name for name, _ in operations(document)}
    assert routes - told == set()
    assert told - routes == set()
