"""Words of a question: stems, numbers, misspellings, and names found in them."""

from __future__ import annotations

import pytest
from benchmarks.chat_questions import model_of
from hypothesis import given
from hypothesis import strategies as st

from afield.provisioning.chat.lexicon import Kind, lexicon_of
from afield.provisioning.chat.matching import matches
from afield.provisioning.chat.words import corrected, distance, number_of, plain, stem, tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("category", "categories"),
        ("damage", "damaged"),
        ("cancelled", "cancel"),
        ("shipped", "ship"),
        ("boxes", "box"),
        ("classes", "class"),
        ("people", "person"),
        ("missed", "miss"),
    ],
)
def test_forms_of_one_word_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("rate", "rating"), ("status", "state"), ("bus", "business")])
def test_different_words_keep_different_stems(one: str, other: str) -> None:
    assert stem(one) != stem(other)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,200", 1200), ("10k", 10_000), ("1.5m", 1_500_000), ("20%", 0.2), ("7", 7), ("0.25", 0.25), ("store", None)],
)
def test_numbers_are_read_with_their_scale(text: str, number: float | None) -> None:
    assert number_of(tokens(text)[0]) == number


def test_a_comma_after_a_number_is_none_of_it() -> None:
    assert [token.text for token in tokens("over 60, bottom 3")] == ["over", "60", "bottom", "3"]


@given(st.text(max_size=60))
def test_plain_letters_stay_in_their_places(text: str) -> None:
    assert len(plain(text)) == len(text)
    for token in tokens(text):
        assert plain(text)[token.start : token.end].startswith(token.text)


@given(st.text("abcd", min_size=1, max_size=8), st.text("abcd", min_size=1, max_size=8))
def test_distance_is_the_same_both_ways(one: str, other: str) -> None:
    assert distance(one, other, 3) == distance(other, one, 3)
    assert (distance(one, other, 3) == 0) == (one == other)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("reveneu", "revenue"),
        ("prodcuts", "products"),
        ("catgory", "category"),
        ("sotre", "store"),
        ("conversoin", "conversion"),
    ],
)
def test_misspelt_words_are_taken_for_known_ones(written: str, meant: str) -> None:
    known = {word: stem(word) for word in ("revenue", "products", "category", "store", "conversion", "rating")}
    (token,) = corrected(tokens(written), known, frozenset())
    assert token.stem == stem(meant)
    assert token.read_as


@pytest.mark.parametrize("word", ["weather", "stars", "rate", "generation", "xyzzy", "mor"])
def test_other_words_are_left_alone(word: str) -> None:
    known = {word: stem(word) for word in ("leather", "stores", "category")}
    (token,) = corrected(tokens(word), known, frozenset({"generating"}))
    assert token.text == word


@pytest.mark.parametrize(
    ("words", "kind", "name", "values"),
    [
        ("net sales", Kind.MEASURE, "revenue", ()),
        ("rate of cancellation", Kind.MEASURE, "cancellation_rate", ()),
        ("orders that were cancelled", Kind.MEASURE, "cancelled_orders", ()),
        ("discount", Kind.MEASURE, "average_discount", ()),
        ("shops", Kind.DIMENSION, "store_name", ()),
        ("type of store", Kind.DIMENSION, "store_format", ()),
        ("email", Kind.VALUE, "visit_source", ("E-mail",)),
        ("young professionals", Kind.VALUE, "customer_segment", ("Young professional",)),
        ("hiking boots", Kind.VALUE, "product_name", ("Hiking Boot Light", "Hiking Boot Plus")),
    ],
)
def test_names_are_found_in_other_forms(words: str, kind: Kind, name: str, values: tuple[str, ...]) -> None:
    boots = ("Hiking Boot Light", "Hiking Boot Plus", "Tent")
    lexicon = lexicon_of(model_of("retail"), {"product_name": boots})
    taken = tokens(words)
    found = {(one.start, one.end): one.meanings[0] for one in matches(taken, lexicon)}
    best = found[0, len(taken)]
    assert (best.kind, best.name) == (kind, name)
    assert best.values == values


def test_a_name_with_less_of_its_words_counts_less() -> None:
    lexicon = lexicon_of(model_of("retail"), {})
    (whole,) = [one for one in matches(tokens("average discount"), lexicon) if one.end - one.start == 2]
    (part,) = matches(tokens("discount"), lexicon)
    assert part.meanings[0].score < whole.meanings[0].score == 1.0


def test_names_do_not_reach_over_a_comma() -> None:
    lexicon = lexicon_of(model_of("retail"), {})
    words = tokens("by product, category")
    assert any(one.end - one.start == 2 for one in matches(words[1:], lexicon))
    assert all(one.end - one.start == 1 for one in matches(words[1:], lexicon, breaks={1}))
