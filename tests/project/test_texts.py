"""What no committed file may contain. The needles are put together here, so that this file does not contain them."""

from __future__ import annotations

import re

import pytest
from project_tree import ROOT, text_files

_REGISTRIES = [
    "files.python" + "hosted.org",
    "pypi" + ".org",
    "registry.npm" + "js.org",
    "registry.yarn" + "pkg.com",
    "deb." + "debian.org",
    "proxy." + "golang.org",
    "static.crates" + ".io",
]
_INDEX_OPTIONS = ["--index" + "-url", "--extra-index" + "-url", "--find" + "-links"]
_DOMAIN_FOR_EXAMPLES = r"(?:[\w-]+\.)*example\.|[\w.-]+\.(?:test|invalid|example)\b"
_FORBIDDEN = {
    "the address of a package registry": "|".join(map(re.escape, _REGISTRIES)),
    "a path of somebody's machine": r"(?<![\w.:/-])/(?:work|root|Users|home/\w+|opt/(?:afield|pypi|wheels))\b",
    "an e-mail address": rf"[\w.+-]+@(?!{_DOMAIN_FOR_EXAMPLES})[\w-]+(?:\.[\w-]+)*\.[a-z]{{2,}}\b",
}


@pytest.mark.parametrize("what", _FORBIDDEN)
def test_no_file_contains(what: str) -> None:
    pattern = re.compile(_FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path, text in text_files()
        for number, line in enumerate(text.splitlines(), 1)
        if (match := pattern.search(line))
    ]
    assert found == [], f"{what} in:\n" + "\n".join(found)


def test_lock_files_name_no_index() -> None:
    for path in (ROOT / "requirements").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "://" not in text, path.name
        assert not [option for option in _INDEX_OPTIONS if option in text], path.name


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("the address of a package registry", "see https://pypi" + ".org/simple"),
        ("a path of somebody's machine", "cd /wo" + "rk/main"),
        ("a path of somebody's machine", '"/ho' + 'me/alice/x"'),
        ("an e-mail address", "write to someone" + "@company.com"),
    ],
)
def test_the_needles_find_what_they_are_for(what: str, text: str) -> None:
    assert re.search(_FORBIDDEN[what], text)


@pytest.mark.parametrize(
    "text",
    ["a framework/main", "user@example.com", "ops@mail.example.org", "http://host/" + "work/1", "a@b.test", "x@1.2.3"],
)
def test_the_needles_leave_alone(text: str) -> None:
    assert not any(re.search(pattern, text) for pattern in _FORBIDDEN.values())
