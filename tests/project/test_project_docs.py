"""The documents: links lead somewhere, and what is generated is up to date. `make docs` checks the site's links."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from project_tree import ROOT

from afield.config import Settings

_OUTSIDE = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def _text(path: Path) -> str:
    return re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ +(.+)$", _text(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", _OUTSIDE)
def test_links_of_the_pages_outside_the_site(name: str) -> None:
    page = ROOT / name
    for link in _LINK.findall(_text(page)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{name}: {link} leads nowhere"
        assert not anchor or anchor in _anchors(target), f"{name}: {link} names no heading"


def test_the_site_builds_and_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    command: list[str | Path] = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "mkdocs",
        "build",
        "--quiet",
        "--strict",
        "--site-dir",
        tmp_path,
    ]
    result = subprocess.run(
        command, cwd=ROOT, env={"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    for page in tmp_path.rglob("*.html"):
        fetched = re.findall(
            r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^\">\s]+", page.read_text()
        )
        assert [tag for tag in fetched if 'rel="canonical"' not in tag] == [], page.name
        assert 'class="mermaid"' not in page.read_text(), "the theme would fetch a script to draw it"


@pytest.fixture(scope="module")
def draw_settings() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "draw_settings.py"))


def test_the_table_of_settings_is_up_to_date(draw_settings: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert draw_settings["drawn"](page) == page, "run .venv/bin/python scripts/draw_settings.py"
    assert [name for name in Settings.model_fields if f"`AFIELD_{name.upper()}`" not in page] == []


def test_a_stale_table_of_settings_is_noticed(draw_settings: dict[str, Any]) -> None:
    stale = f"# Title\n\n{draw_settings['BEGIN']}\n\noutdated\n\n{draw_settings['END']}\n\nend\n"
    new = draw_settings["drawn"](stale)
    assert new != stale
    assert "outdated" not in new
    assert new.endswith("\n\nend\n")
    assert draw_settings["drawn"](new) == new


def test_a_page_without_markers_is_refused(draw_settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="marker"):
        draw_settings["drawn"]("# Title\n")
