"""Inputs: what is accepted, how scripts, queries and requests get them, and that no value ever becomes code."""

from __future__ import annotations

import json
import subprocess
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonValue
from afield.runbooks.inputs import Bound, bind
from afield.runbooks.model import CommandWork, HttpWork, Input, QueryWork, Runbook, Shell
from afield.runbooks.render import render_command, render_http, render_prose, render_query

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=100)
NASTY = [
    "",
    "a b",
    "$(touch /tmp/x)",
    "`id`",
    "'; id; '",
    '"; id; "',
    "a\nb\n",
    "\\",
    "'",
    "''",
    "!!",
    "*",
    "~",
    "-n",
    "2",
]


def a_runbook(*inputs: dict[str, object]) -> Runbook:
    steps = [{"name": "x", "command": "true"}]
    head = dict.fromkeys(["title", "service", "owner"], "x")
    return Runbook.model_validate(
        {**head, "runbook_id": "x", "version": "1.0.0", "env": "dev", "risk": "low", "inputs": inputs, "steps": steps}
    )


@pytest.mark.parametrize(
    ("declared", "given", "value"),
    [
        ({"type": "string"}, "x", "x"),
        ({"type": "integer"}, 3, 3),
        ({"type": "integer"}, "-3", -3),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, 2, 2),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, False, False),
        ({"type": "enum", "choices": ["a", "b"]}, "b", "b"),
        ({"type": "enum", "choices": [1, 2]}, "2", "2"),
        ({"type": "hostname"}, "db-1.internal", "db-1.internal"),
        ({"type": "path"}, "/var/log/a b", "/var/log/a b"),
        ({"type": "string", "default": "d"}, None, "d"),
        ({"type": "string"}, None, None),
    ],
)
def test_what_is_accepted(declared: dict[str, object], given: JsonValue, value: object) -> None:
    bound = bind(a_runbook({"name": "x", **declared}), {} if given is None else {"x": given})
    assert bound.values == {"x": value}
    assert type(bound.values["x"]) is type(value)


@pytest.mark.parametrize(
    ("declared", "given", "why"),
    [
        ({"type": "string"}, 3, "must be text"),
        ({"type": "string"}, "a\x00", "NUL"),
        ({"type": "string"}, "\ud800", "half a character"),
        ({"type": "string"}, "x" * 9_000, "8192"),
        ({"type": "integer"}, True, "whole number"),
        ({"type": "integer"}, "1e3", "whole number"),
        ({"type": "integer"}, "٣", "whole number"),
        ({"type": "number"}, "NaN", "number"),
        ({"type": "number"}, [1], "number"),
        ({"type": "boolean"}, "yes", "true or false"),
        ({"type": "boolean"}, 1, "true or false"),
        ({"type": "enum", "choices": ["a"]}, "b", "one of a"),
        ({"type": "hostname"}, "a;b", "host name"),
        ({"type": "hostname"}, "a.b\n", "host name"),
        ({"type": "path"}, "etc", "absolute"),
        ({"type": "path"}, "/a/../b", "absolute"),
        ({"type": "path"}, "/a\n", "absolute"),
        ({"type": "string", "pattern": "[a-z]+"}, "ab\n", "match"),
        ({"type": "string", "required": True}, None, "required"),
    ],
)
def test_what_is_refused(declared: dict[str, object], given: JsonValue, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        bind(a_runbook({"name": "x", **declared}), {} if given is None else {"x": given})


def test_everything_wrong_is_told_at_once() -> None:
    runbook = a_runbook({"name": "a", "required": True}, {"name": "b", "type": "integer"})
    with pytest.raises(InvalidInputError, match=r"c: .*no such input; a: is required; b: must be a whole") as caught:
        bind(runbook, {"b": "x", "c": 1})
    assert "a (string), b (integer)" in caught.value.hint


def test_scripts_get_the_inputs_in_their_environment() -> None:
    bound = Bound({"service_name": "web", "dry": True, "n": None, "http_proxy": "x"})
    assert bound.env == {
        "INPUT_SERVICE_NAME": "web",
        "INPUT_DRY": "true",
        "INPUT_N": "",
        "INPUT_HTTP_PROXY": "x",
        "service_name": "web",
        "dry": "true",
        "n": "",
    }


def _printed(command: str, value: str) -> str:
    rendered = render_command(CommandWork(command=command), Bound({"x": value}))
    done = subprocess.run(
        ["/bin/bash", "-c", rendered.script],
        env={"PATH": "/usr/bin:/bin", **rendered.env},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


@given(TEXTS | st.sampled_from(NASTY))
@settings(max_examples=60, deadline=None)
def test_bash_sees_exactly_the_value(value: str) -> None:
    """In each place where a value may stand; `%s.` keeps the end of it visible."""
    command = (
        "printf '%s.' {{ x }} \"$INPUT_X\" \"$x\" a{{x}}b $(printf '%s.' {{ x }}; echo) >&1\n"
        "f() { printf '%s.' {{ x }}; }; f\n"
        "y={{ x }}; printf '%s.' \"$y\"\n"
        "case {{ x }} in *) cat <<< {{ x }};; esac\n"
    )
    without_substitution = command.replace(" $(printf '%s.' {{ x }}; echo)", "")
    expected = f"{value}.{value}.{value}.a{value}b.{value}.{value}.{value}\n"
    assert _printed(without_substitution, value) == expected
    if value.split() == [value] and not set(value) & set("*?["):
        assert _printed("printf '%s' $(printf '%s' {{ x }})", value) == value


@pytest.mark.parametrize(
    "command",
    [
        "echo '{{ x }}'",
        'echo "{{ x }}"',
        'echo "$(cat "{{ x }}")"',
        'echo "a $(cat {{ x }}) b"',
        "cat <<EOF\n{{ x }}\nEOF",
        "cat <<EOF\nEOF.\n{{ x }}\nEOF",
        "cat <<-'E F'\n\t{{ x }}\n\tE F",
        "ls # {{ x }}",
        "echo $(( {{ x }} + 1 ))",
        "(( {{ x }} ))",
        "echo ${y:-{{ x }}}",
        "echo ${{ x }}",
        "echo \\{{ x }}",
        "echo `cat {{ x }}`",
        "echo $'{{ x }}'",
        'y=$(case a in a) echo "{{ x }}";; esac)',
        'echo "${y:-it\'s}" "{{ x }}"',
    ],
)
def test_no_value_goes_where_quotes_do_not_protect(command: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be filled in") as caught:
        render_command(CommandWork(command=command), Bound({"x": "v"}))
    assert '"$INPUT_X"' in caught.value.hint


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("docker ps --format '{{.Names}}' -f name={{ x }}", "docker ps --format '{{.Names}}' -f name='v'"),
        ('echo "it\'s" {{ x }}', "echo \"it's\" 'v'"),
        ("echo ok # it's\nls {{ x }}", "echo ok # it's\nls 'v'"),
        ("cat <<EOF\nok\nit's\nEOF\nls {{x}}", "cat <<EOF\nok\nit's\nEOF\nls 'v'"),
        ("cat <<EOF\nit's\nEOF\nls {{x}}", "cat <<EOF\nit's\nEOF\nls 'v'"),
        ("echo $# {{ x }} a#b {{x}}", "echo $# 'v' a#b 'v'"),
        ("(cd {{ x }} && ls) > {{x}}", "(cd 'v' && ls) > 'v'"),
        ("if (( 1 << 2 )); then ls {{x}}; fi", "if (( 1 << 2 )); then ls 'v'; fi"),
    ],
)
def test_where_a_value_may_go(command: str, script: str) -> None:
    assert render_command(CommandWork(command=command), Bound({"x": "v"})).script == script


def test_powershell_gets_values_by_its_environment_only() -> None:
    assert render_command(CommandWork(command="dir"), Bound({"x": "v"}), Shell.POWERSHELL).env["INPUT_X"] == "v"
    with pytest.raises(InvalidInputError, match="PowerShell") as caught:
        render_command(CommandWork(command="dir {{ x }}"), Bound({"x": "v"}), Shell.POWERSHELL)
    assert "$env:INPUT_X" in caught.value.hint


def test_an_unknown_placeholder_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'y' is not an input"):
        render_command(CommandWork(command="ls {{ y }}"), Bound({"x": "v"}))


def test_queries_get_parameters() -> None:
    work = QueryWork(
        query="select '%', \"a\" from t where a = {{ n }} and b = {{ x }} or c = %(p)s -- all",
        parameters={"p": "{{ n }}", "q": "<{{ x }}>", "r": [1, "{{x}}"]},
    )
    rendered = render_query(work, Bound({"x": "'; drop table t; --", "n": 3}))
    assert rendered.query == "select '%', \"a\" from t where a = %(n)s and b = %(x)s or c = %(p)s -- all"
    evil = "'; drop table t; --"
    assert rendered.parameters == {"n": 3, "x": evil, "p": 3, "q": f"<{evil}>", "r": [1, evil]}


@pytest.mark.parametrize("query", ["select '{{ x }}'", 'select "{{ x }}"', "select 1 -- {{ x }}", "select $$ {{x}} $$"])
def test_a_parameter_inside_quotes_is_refused(query: str) -> None:
    with pytest.raises(InvalidInputError, match="inside quotes"):
        render_query(QueryWork(query=query), Bound({"x": "v"}))


@given(TEXTS.filter(lambda text: text not in {".", ".."}))
@settings(deadline=None)
def test_requests_get_encoded_values(value: str) -> None:
    work = HttpWork(url="http://host/a/{{ x }}/b?c={{ x }}", body='{"a": {{ x }}, "b": {{ n }}}', method="POST")
    rendered = render_http(work, Bound({"x": value, "n": 3}))
    parts = urlsplit(rendered.url)
    assert unquote(parts.path) == f"/a/{value}/b"
    assert unquote(parts.query) == f"c={value}"
    assert isinstance(rendered.body, str)
    assert json.loads(rendered.body) == {"a": value, "b": 3}
    structured = render_http(
        HttpWork(url="/", body={"a": ["{{ x }}", "<{{ n }}>", "{{ n }}"]}), Bound({"x": value, "n": 3})
    )
    assert structured.body == {"a": [value, "<3>", 3]}


def test_requests_refuse_what_would_change_their_meaning() -> None:
    with pytest.raises(InvalidInputError, match="another level"):
        render_http(HttpWork(url="/a/{{ x }}/b"), Bound({"x": ".."}))
    with pytest.raises(InvalidInputError, match="quotes"):
        render_http(HttpWork(url="/", body='{"a": "{{ x }}"}'), Bound({"x": "v"}))


def test_texts_for_people_hold_values_as_they_are() -> None:
    assert render_prose("Restart '{{ x }}'?", Bound({"x": "a'b"})) == "Restart 'a'b'?"


def test_an_input_is_declared_sensibly() -> None:
    with pytest.raises(ValueError, match="choices"):
        Input(name="x", type="enum")
    with pytest.raises(ValueError, match="not both"):
        Input(name="x", required=True, default="y")
