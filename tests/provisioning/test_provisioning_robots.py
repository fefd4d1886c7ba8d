"""robots.txt as its RFC has it."""

from __future__ import annotations

import re
import time
from urllib.robotparser import RobotFileParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.provisioning.research.robots import EVERYTHING, NOTHING, Rule, for_status, parse

GROUPS = """\ufeff# the shop
User-agent: OtherBot
Disallow: /

User-agent: afieldbot/2
user-agent: ThirdBot
Disallow: /account # private
Allow: /account/help
Crawl-delay: 1.5

User-agent: *
Disallow: /shop
Sitemap: https://example.com/sitemap.xml
"""


@pytest.mark.parametrize(
    ("agent", "path", "allowed"),
    [
        ("AfieldBot", "/", True),
        ("AfieldBot", "/shop", True),
        ("AfieldBot", "/account", False),
        ("AfieldBot", "/account/orders", False),
        ("AfieldBot", "/account/help", True),
        ("ThirdBot", "/account", False),
        ("OtherBot", "/", False),
        ("Unnamed", "/shop/boots", False),
        ("Unnamed", "/account", True),
    ],
)
def test_the_group_of_an_agent_decides(agent: str, path: str, allowed: bool) -> None:
    assert parse(GROUPS, agent).allows(path) is allowed


def test_a_wished_delay_is_read() -> None:
    assert parse(GROUPS, "AfieldBot").delay_s == 1.5
    assert parse(GROUPS, "Unnamed").delay_s == 0
    assert parse("User-agent: *\nCrawl-delay: soon\nDisallow:", "A").delay_s == 0


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/", "/anything", True),
        ("/fish", "/fish.html", True),
        ("/fish", "/catfish", False),
        ("/fish*", "/fishheads/yummy.html", True),
        ("/*.php", "/folder/index.php?lang=en", True),
        ("/*.php$", "/index.php", True),
        ("/*.php$", "/index.php?a=b", False),
        ("/a*b*c$", "/a1b2c", True),
        ("/a*b*c$", "/a1c2b", False),
        ("/a*a$", "/a", False),
        ("/$", "/", True),
        ("/$", "/a", False),
        ("/*?session=", "/shop?session=1", True),
    ],
)
def test_patterns_of_the_rfc(pattern: str, path: str, fits: bool) -> None:
    assert Rule(pattern, allowed=False).fits(path) is fits


def test_the_longest_rule_decides_and_allowing_wins_a_draw() -> None:
    rules = parse("User-agent: *\nDisallow: /a\nAllow: /a/b\nDisallow: /c\nAllow: /c", "X")
    assert [rules.allows(path) for path in ("/a", "/a/b", "/c", "/d")] == [False, True, True, True]


def test_the_same_path_is_the_same_however_it_is_written() -> None:
    rules = parse("User-agent: *\nDisallow: /über", "X")
    assert not rules.allows("/%C3%BCber")
    assert not rules.allows("/über/uns")


@pytest.mark.parametrize(
    ("status", "expected"),
    [(404, EVERYTHING), (410, EVERYTHING), (401, NOTHING), (403, NOTHING), (500, NOTHING), (302, NOTHING)],
)
def test_what_an_answer_without_a_file_means(status: int, expected: object) -> None:
    assert for_status(status, "", "X") == expected


def test_a_pattern_of_many_stars_is_no_trap() -> None:
    began = time.perf_counter()
    assert not Rule("/" + "*a" * 400 + "$", allowed=False).fits("/" + "a" * 399 + "b" * 20_000)
    assert time.perf_counter() - began < 1


PATHS = st.text("ab/", max_size=6).map(lambda text: f"/{text}")


@given(st.text("ab/*$", max_size=8), PATHS)
def test_patterns_mean_what_an_expression_says(pattern: str, path: str) -> None:
    ends = pattern.endswith("$")
    expression = ".*".join(re.escape(part) for part in pattern.removesuffix("$").split("*"))
    assert Rule(pattern, allowed=True).fits(path) == bool(re.match(expression + ("$" if ends else ""), path))


@given(st.lists(PATHS, min_size=1, max_size=3), PATHS)
def test_plain_files_mean_the_same_as_to_python(refused: list[str], path: str) -> None:
    text = "User-agent: *\n" + "".join(f"Disallow: {one}\n" for one in refused)
    python = RobotFileParser()
    python.parse(text.splitlines())
    if "//" not in path and not any("//" in one for one in refused):  # which Python takes for the start of a host
        assert parse(text, "AfieldBot").allows(path) == python.can_fetch("AfieldBot", path)


@given(st.text(max_size=200), st.text(max_size=30))
def test_nothing_in_a_file_breaks_the_reader(text: str, path: str) -> None:
    assert parse(text, "AfieldBot").allows(path) in {True, False}
