"""Who gave an answer: every shape that was recorded or observed, and no answer at all that could break the judging."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.connectors.session_pool.blame import Speaker, blame
from afield.connectors.session_pool.evidence import Answer, NoAnswer, PoolPlace, Silence
from afield.connectors.session_pool.evidence_pool import parse_pool
from afield.connectors.session_pool.remedies import Situation, remedy
from afield.connectors.session_pool.token_checks import read_claims

KESTREL = {"server": "Kestrel"}
EXPRESS = {"x-powered-by": "Express", "content-type": "application/json; charset=utf-8"}
ADAPTER = {"x-afield-adapter": "0.4.0", "server": "Kestrel"}
PISTON_404 = b'{"message":"Not Found"}'
ALLOCATING = b"Error happened when allocating pod for identifier u-1 in pool p1"


def coded(code: str, message: str = "no") -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message, "traceId": "x"}})


NOT_DYNAMIC = coded(
    "DynamicApisNotAllowed", "Dynamic API calls are not allowed for session pool 'p': 'the pool is not dynamic'."
)

SHAPES: list[tuple[str, Speaker, int, dict[str, str], bytes]] = [
    ("the adapter, well", Speaker.ADAPTER, 200, ADAPTER, b""),
    ("the adapter's own router", Speaker.ADAPTER, 404, ADAPTER, coded("no_such_path")),
    ("the adapter, in Piston's shape", Speaker.ADAPTER, 404, ADAPTER, PISTON_404),
    ("the adapter, busy", Speaker.ADAPTER, 503, ADAPTER, b""),
    ("the adapter wants its token", Speaker.ADAPTER, 401, ADAPTER, b""),
    (
        "the adapter's body, its header lost",
        Speaker.ADAPTER,
        404,
        KESTREL,
        b'{"error":{"code":"no_such_path","message":"","hint":""},"adapter":"afield-sandbox/0.4.0"}',
    ),
    ("Piston's 404", Speaker.PISTON, 404, EXPRESS, PISTON_404),
    ("Piston's 404, through the platform", Speaker.PISTON, 404, KESTREL, PISTON_404),
    ("Piston's front page", Speaker.PISTON, 200, EXPRESS, b'{"message":"Piston v3.1.1"}'),
    ("Express", Speaker.OTHER_APP, 404, EXPRESS | KESTREL, b"<!DOCTYPE html><pre>Cannot GET /health</pre>"),
    ("FastAPI", Speaker.OTHER_APP, 404, KESTREL, b'{"detail":"Not Found"}'),
    ("Go", Speaker.OTHER_APP, 404, KESTREL | {"content-type": "text/plain"}, b"404 page not found\n"),
    ("a web server in the image", Speaker.OTHER_APP, 404, {"server": "nginx/1.25"} | KESTREL, b"<html>404</html>"),
    ("an app with a health page", Speaker.OTHER_APP, 200, KESTREL, b""),
    ("an app's own gateway", Speaker.OTHER_APP, 503, EXPRESS, b"down"),
    ("an app that wants a login", Speaker.OTHER_APP, 403, EXPRESS, b'{"detail":"login"}'),
    ("an app that limits calls", Speaker.OTHER_APP, 429, EXPRESS, b"slow down"),
    ("a method that is not there", Speaker.OTHER_APP, 405, KESTREL, b"Method Not Allowed"),
    ("the other endpoint, as 400", Speaker.WRONG_KIND, 400, KESTREL, NOT_DYNAMIC),
    ("the other endpoint, as 403", Speaker.WRONG_KIND, 403, KESTREL, NOT_DYNAMIC),
    ("the other endpoint, by the header", Speaker.WRONG_KIND, 400, {"x-ms-error-code": "DynamicApisNotAllowed"}, b""),
    ("full, as documented", Speaker.CAPACITY, 404, KESTREL, b""),
    ("full, as seen", Speaker.CAPACITY, 429, KESTREL, ALLOCATING),
    ("full, as also seen", Speaker.CAPACITY, 500, KESTREL, ALLOCATING),
    ("full, with a code", Speaker.CAPACITY, 429, KESTREL, coded("SessionPoolBusy")),
    ("full, in other words", Speaker.CAPACITY, 404, KESTREL, b"The maximum number of sessions is reached."),
    ("no identifier, with a code", Speaker.PLATFORM, 400, KESTREL, coded("SessionRequestValidationFailed")),
    ("no identifier, as text", Speaker.PLATFORM, 400, KESTREL, b"Missing required parameter 'identifier'"),
    ("the old body", Speaker.PLATFORM, 400, KESTREL, coded("SessionPropertiesMissing")),
    ("a 404 with a code", Speaker.PLATFORM, 404, KESTREL, coded("SomethingNotThere")),
    ("MCP is off", Speaker.PLATFORM, 403, KESTREL, coded("SessionMCPServerNotEnabled")),
    ("another audience", Speaker.IDENTITY, 403, KESTREL, coded("Unauthenticated")),
    ("no role", Speaker.IDENTITY, 403, KESTREL, b""),
    ("no token", Speaker.IDENTITY, 401, KESTREL | {"www-authenticate": "Bearer"}, b""),
    ("the container is starting", Speaker.CONTAINER_DOWN, 502, KESTREL, b"Bad Gateway"),
    ("nobody listens", Speaker.CONTAINER_DOWN, 502, KESTREL, b""),
    ("no container", Speaker.CONTAINER_DOWN, 503, {}, b"<html>Service Unavailable</html>"),
    ("a gateway that waited", Speaker.CONTAINER_DOWN, 504, {}, b""),
    ("a pool that is gone", Speaker.WRONG_HOST, 404, {}, b""),
    ("another web server", Speaker.WRONG_HOST, 404, {"server": "cloud"}, b"<html><body>Not Found</body></html>"),
    (
        "the front door of Container Apps",
        Speaker.WRONG_HOST,
        404,
        {"content-type": "text/html"},
        b"<h1>Error 404 - This Container App is stopped or does not exist.</h1>",
    ),
    ("a pool that is gone, with a code", Speaker.WRONG_HOST, 404, KESTREL, coded("SessionPoolNotFound")),
    ("a login page", Speaker.UNKNOWN, 302, {"location": "https://login.example.org"}, b""),
    ("a bare 500", Speaker.UNKNOWN, 500, KESTREL, b""),
    ("a teapot", Speaker.UNKNOWN, 418, {}, b"short and stout"),
]


@pytest.mark.parametrize(("speaker", "status", "headers", "body"), [s[1:] for s in SHAPES], ids=[s[0] for s in SHAPES])
def test_who_said_it(speaker: Speaker, status: int, headers: dict[str, str], body: bytes) -> None:
    found = blame(Answer(status=status, headers=headers, body=body))
    assert found.speaker is speaker, found
    assert found.because


@pytest.mark.parametrize(
    ("silence", "speaker"),
    [
        (Silence.NO_NAME, Speaker.WRONG_HOST),
        (Silence.REFUSED, Speaker.NETWORK),
        (Silence.TLS, Speaker.NETWORK),
        (Silence.LOST, Speaker.NETWORK),
        (Silence.TOO_LATE, Speaker.TOO_SLOW),
    ],
)
def test_nobody_said_anything(silence: Silence, speaker: Speaker) -> None:
    found = blame(NoAnswer(silence=silence, text="why"))
    assert (found.speaker, found.because) == (speaker, "why")


names = st.sampled_from(
    ["server", "x-powered-by", "x-ms-error-code", "content-type", "www-authenticate", "operation-id", "x-other"]
) | st.text(max_size=12).map(str.lower)
values = st.sampled_from(["Kestrel", "nginx", "Express", "DynamicApisNotAllowed", "application/json"]) | st.text(
    max_size=30
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["error", "code", "message", "adapter", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
bodies = st.binary(max_size=300) | st.sampled_from(
    [b"", PISTON_404, ALLOCATING, NOT_DYNAMIC, b"<html>", b"[1", b"null"]
)


def packed(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError):  # a number beyond 64 bits, half a surrogate pair
        return repr(value).encode("utf-8", "replace")


answers = st.builds(
    Answer,
    status=st.integers(min_value=100, max_value=599),
    headers=st.dictionaries(names, values, max_size=5),
    body=bodies | json_values.map(packed),
)
replies = answers | st.builds(NoAnswer, silence=st.sampled_from(Silence), text=st.text(max_size=20))


@given(replies)
def test_any_answer_has_a_speaker_and_a_remedy(reply: Answer | NoAnswer) -> None:
    found = blame(reply)
    fix = remedy(found, Situation(place=PoolPlace(endpoint="https://p.example.org", probe_identifier="probe")))
    assert fix.cause.endswith(".")
    assert fix.next_step


@given(answers, st.text(alphabet="0123456789.", max_size=8))
def test_the_adapters_header_always_wins(answer: Answer, version: str) -> None:
    marked = Answer(status=answer.status, headers={**answer.headers, "x-afield-adapter": version}, body=answer.body)
    assert blame(marked).speaker is Speaker.ADAPTER


@given(answers)
def test_a_success_is_never_taken_for_trouble_of_the_platform(answer: Answer) -> None:
    if answer.ok:
        assert blame(answer).speaker in {
            Speaker.ADAPTER,
            Speaker.OTHER_APP,
            Speaker.PISTON,
            Speaker.WRONG_KIND,
        }


@given(json_values)
def test_any_resource_can_be_read(body: Any) -> None:
    assert parse_pool(body) == parse_pool(body)
    assert parse_pool({"properties": body, "name": body}) is not None


@given(st.text(max_size=200) | st.binary(max_size=60).map(lambda raw: f"a.{raw.hex()}.c"))
def test_any_text_can_be_read_as_a_token(token: str) -> None:
    assert read_claims(token) is None or token.count(".") == 2
