"""The rules of the session pools that need no process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield_sim.sessions.forwarding import inner_target, is_run, passed_on, without_identifier
from afield_sim.sessions.identifiers import problem_of
from afield_sim.sessions.interpreter_wire import numbered
from afield_sim.sessions.model import merge

objects = st.dictionaries(st.sampled_from("abc"), st.integers() | st.dictionaries(st.sampled_from("xy"), st.integers()))


@pytest.mark.parametrize(
    ("raw", "inner"),
    [
        ("/pools/custom-1", "/"),
        ("/pools/custom-1/", "/"),
        ("/pools/custom-1?identifier=a/b", "/?identifier=a/b"),
        ("/pools/%63ustom-1/a//b%2F?x=/pools/", "/a//b%2F?x=/pools/"),
    ],
)
def test_what_the_container_sees(raw: str, inner: str):
    assert inner_target(raw) == inner


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ("/a", "/a"),
        ("/a?identifier=u", "/a"),
        ("/a?x=1&identifier=u&y", "/a?x=1&y"),
        ("/a?identifiers=u&x=identifier", "/a?identifiers=u&x=identifier"),
    ],
)
def test_leaving_the_identifier_out(target: str, left: str):
    assert without_identifier(target) == left


@pytest.mark.parametrize(
    ("method", "target", "run"),
    [
        ("POST", "/runs?identifier=u", True),
        ("POST", "/python/execute", True),
        ("POST", "/api/v2/execute/", True),
        ("POST", "/executions", True),
        ("GET", "/runs", False),
        ("POST", "/files/upload", False),
        ("POST", "/runs/r1", False),
    ],
)
def test_what_has_code_run(method: str, target: str, run: bool):
    assert is_run(method, target) is run


def test_headers_of_one_connection_stay_behind():
    headers = {"Connection": "keep-alive, X-Mine", "X-Mine": "1", "Transfer-Encoding": "chunked", "X-Yours": "2"}
    assert dict(passed_on(headers)) == {"X-Yours": "2"}


@given(st.text(alphabet="abcXYZ019-_./@#%&()", min_size=4, max_size=128))
def test_good_identifiers(identifier: str):
    assert problem_of(identifier) is None


@given(st.text(alphabet="abc", max_size=3) | st.text(alphabet="a", min_size=129) | st.sampled_from(["a b cd", "ábcd"]))
def test_bad_identifiers(identifier: str):
    assert problem_of(identifier) is not None


@given(objects, objects)
def test_merging_twice_changes_nothing_more(old: dict, patch: dict):
    once = merge(old, patch)
    assert merge(once, patch) == once
    assert set(once) == set(old) | set(patch)


def test_every_object_has_a_number():
    body = {"value": [{"properties": {"filename": "a"}}, {"properties": {"filename": "b"}}]}
    assert numbered(body) == {
        "$id": "1",
        "value": [
            {"$id": "2", "properties": {"$id": "3", "filename": "a"}},
            {"$id": "4", "properties": {"$id": "5", "filename": "b"}},
        ],
    }
    assert numbered(numbered(body)) == numbered(body)
