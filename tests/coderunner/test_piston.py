"""Piston's requests and answers, without anything that runs: tables, and any JSON there is."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from afield.coderunner.piston import Asked, Ceilings, PistonError, answer, read_body, read_request, status_of
from afield.coderunner.runtimes import Runtime
from afield.connectors.coding import CodeResult, CodeSpec, Encoding, Verdict

RUNTIMES = (
    Runtime("python", "3.11.2", ("py", "py3", "python3")),
    Runtime("python", "3.12.0", ("py", "py3", "python3")),
    Runtime("python", "3.9.10", ("py",)),
    Runtime("c++", "12.2.0", ("cpp", "g++")),
)
MAIN: dict[str, Any] = {"content": "print(1)"}
GOOD: dict[str, Any] = {"language": "python", "version": "*", "files": [MAIN]}
CEILINGS = Ceilings()


def asked(**changes: Any) -> Asked:
    fields = {name: value for name, value in (GOOD | changes).items() if value != "left out"}
    return read_request(fields, RUNTIMES, CEILINGS)


def refusal(**changes: Any) -> str:
    with pytest.raises(PistonError) as refused:
        asked(**changes)
    assert refused.value.status == 400
    return refused.value.message


# ------------------------------------------------------------------------------------------- requests

ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"language": "left out"}, "language is required as a string"),
    ({"language": 3}, "language is required as a string"),
    ({"language": ""}, "language is required as a string"),
    ({"version": "left out"}, "version is required as a string"),
    ({"version": ["*"]}, "version is required as a string"),
    ({"files": "left out"}, "files is required as an array"),
    ({"files": {"content": "1"}}, "files is required as an array"),
    ({"files": [{"content": "1"}, {"name": "b"}]}, "files[1].content is required as a string"),
    ({"files": [None]}, "files[0].content is required as a string"),
    ({"language": "cobol"}, "cobol-* runtime is unknown"),
    ({"version": "latest"}, "python-latest runtime is unknown"),
    ({"version": "2.x"}, "python-2.x runtime is unknown"),
    ({"files": []}, "files must include at least one utf8 encoded file"),
    ({"files": [{"content": "AA==", "encoding": "base64"}]}, "files must include at least one utf8 encoded file"),
    ({"compile_memory_limit": "1"}, "If specified, compile_memory_limit must be a number"),
    ({"run_memory_limit": True}, "If specified, run_memory_limit must be a number"),
    ({"run_memory_limit": -5}, "run_memory_limit must be non-negative"),
    ({"run_memory_limit": 1000}, "run_memory_limit must be at least 16777216"),
    ({"compile_timeout": 10_001}, "compile_timeout cannot exceed the configured limit of 10000"),
    ({"run_timeout": "1000"}, "If specified, run_timeout must be a number"),
    ({"run_timeout": 3001}, "run_timeout cannot exceed the configured limit of 3000"),
    ({"run_timeout": -2}, "run_timeout must be non-negative"),
    ({"run_timeout": [1]}, "If specified, run_timeout must be a number"),
    ({"compile_cpu_time": -2}, "compile_cpu_time must be non-negative"),
    ({"run_cpu_time": {}}, "If specified, run_cpu_time must be a number"),
]


@pytest.mark.parametrize(("changes", "message"), ERRORS)
def test_what_is_wrong_is_told_in_pistons_words(changes: dict[str, Any], message: str) -> None:
    assert refusal(**changes) == message


def test_what_is_checked_first_is_told_first() -> None:
    """Everything is wrong; whatever is mended, the next error in Piston's order shows."""
    wrong: dict[str, Any] = {
        "language": 1, "version": 1, "files": 1,
        "compile_memory_limit": "x", "run_memory_limit": "x", "compile_timeout": "x", "run_timeout": "x",
        "compile_cpu_time": "x", "run_cpu_time": "x",
    }  # fmt: skip
    mended: list[dict[str, Any]] = [
        {"language": "cobol"}, {"version": "latest"}, {"files": [{}]},
        {"files": [{"content": "00", "encoding": "hex"}]},
        {"language": "python"}, {"version": "*"}, {"files": [{"content": "1"}]},
        *({name: None} for name in list(wrong)[3:-1]),
    ]  # fmt: skip
    told = [refusal(**wrong)]
    for change in mended:
        wrong |= change
        told.append(refusal(**wrong))
    assert told == [
        "language is required as a string",
        "version is required as a string",
        "files is required as an array",
        "files[0].content is required as a string",
        "cobol-latest runtime is unknown",
        "python-latest runtime is unknown",
        "files must include at least one utf8 encoded file",
        *(f"If specified, {name} must be a number" for name in list(wrong)[3:]),
    ]


@pytest.mark.parametrize("value", [-1, 0, None, False, "", -1.0, "left out"])
@pytest.mark.parametrize("name", ["run_timeout", "compile_cpu_time", "run_memory_limit", "compile_memory_limit"])
def test_minus_one_nothing_and_zero_are_the_default(name: str, value: Any) -> None:
    assert asked(**{name: value}) == asked()


def test_limits_are_passed_on() -> None:
    spec = asked(
        run_timeout=1500, run_cpu_time=500.5, run_memory_limit=2**28, compile_timeout=9000, compile_memory_limit=2**29
    ).spec
    assert (spec.limits.wall_s, spec.limits.cpu_s, spec.limits.memory_bytes) == (1.5, 0.5005, 2**28)
    assert (spec.compile_limits.wall_s, spec.compile_limits.cpu_s) == (9.0, 10.0)
    assert spec.compile_limits.memory_bytes == 2**29
    assert asked().spec.limits.memory_bytes is None


@pytest.mark.parametrize(
    ("language", "version", "found"),
    [
        ("py", "*", "3.12.0"),
        ("python", "3.x", "3.12.0"),
        ("py", "<3.11", "3.9.10"),
        ("py3", "~3.11", "3.11.2"),
        ("python", "3.11.2", "3.11.2"),
        ("PY", ">=3 <3.12", "3.11.2"),
    ],
)
def test_the_newest_runtime_in_the_range_is_taken(language: str, version: str, found: str) -> None:
    request = asked(language=language, version=version)
    assert (request.runtime.language, request.runtime.version) == ("python", found)
    assert (request.spec.language, request.spec.version) == ("python", found)


def test_the_first_text_is_the_main_file() -> None:
    files = [
        {"name": "data.bin", "content": "AAEC", "encoding": "base64"},
        {"content": "print(1)", "encoding": ""},
        {"content": "x = 1"},
        {"name": "lib/y.py", "content": "6869", "encoding": "hex"},
    ]
    main, *others = asked(files=files).spec.files
    assert (main.name, main.content, main.encoding) == ("", "print(1)", Encoding.UTF8)
    assert [one.name for one in others] == ["data.bin", "file2.code", "lib/y.py"]
    assert [one.encoding for one in others] == [Encoding.BASE64, Encoding.UTF8, Encoding.HEX]


@pytest.mark.parametrize("name", ["../x.py", "/etc/passwd", "a/../../b", "a/", "x\0.py", ".", "a/.."])
def test_a_name_that_leaves_the_folder_is_refused(name: str) -> None:
    assert refusal(files=[{"name": name, "content": "1"}]).startswith("files[0].name must be a relative path")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": [{"content": "1", "name": 5}]}, "files[0].name must be a string"),
        ({"files": [{"content": "1", "name": "n" * 256}]}, "files[0].name is too long"),
        ({"files": [{"content": "1", "name": "a/" * 16 + "b"}]}, "files[0].name is too long"),
        ({"files": [MAIN | {"name": "a"}, {"content": "2", "name": "./a"}]}, "files must have different names"),
        ({"files": [MAIN, {"content": "z", "encoding": "hex"}]}, "files[1].content is not hex"),
        ({"files": [MAIN, {"content": "z", "encoding": "base64"}]}, "files[1].content is not base64"),
        ({"files": [MAIN, {"content": "z", "encoding": "rot13"}]}, "files[1].encoding must be utf8, base64 or hex"),
        ({"files": [MAIN, {"content": "z", "encoding": ["hex"]}]}, "files[1].encoding must be utf8, base64 or hex"),
        ({"files": [{"content": "a\0"}]}, "files[0].content holds a NUL character; send it with the encoding base64"),
        ({"stdin": 5}, "stdin must be a string without NUL characters"),
        ({"args": "a b"}, "args must be an array of strings without NUL characters"),
        ({"args": [1]}, "args must be an array of strings without NUL characters"),
        ({"args": ["a\0"]}, "args must be an array of strings without NUL characters"),
    ],
)  # fmt: skip
def test_what_piston_fails_at_is_refused_in_words_of_ours(changes: dict[str, Any], message: str) -> None:
    assert refusal(**changes) == message


def test_too_much_of_something_is_refused_without_repeating_it() -> None:
    message = refusal(files=[{"content": "secret", "name": f"{at}.py"} for at in range(101)])
    assert message.startswith("files: ")
    assert "secret" not in message


@pytest.mark.parametrize(("given_", "read"), [(None, "\n"), ("", "\n"), ("1 2", "1 2\n"), ("1\n", "1\n")])
def test_input_ends_with_a_newline(given_: str | None, read: str) -> None:
    assert asked(stdin=given_).spec.stdin == read


def test_arguments_are_passed_on() -> None:
    assert asked(args=["1", "ü"]).spec.args == ("1", "ü")


# ------------------------------------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json; charset=utf-8", "text/plain;charset=UTF-8"]
)
def test_json_is_read_under_either_name(media_type: str) -> None:
    assert read_body(media_type, orjson.dumps(GOOD)) == GOOD


@pytest.mark.parametrize(
    ("media_type", "body", "status", "message"),
    [
        ("application/json", b"{", 400, "the body is not valid JSON"),
        ("application/json", b'"\xff"', 400, "the body is not valid JSON"),
        ("text/plain", b"{", 415, "requests must be of type application/json"),
        ("text/plain", b"", 415, "requests must be of type application/json"),
        ("application/x-www-form-urlencoded", b"{}", 415, "requests must be of type application/json"),
        ("", b"{}", 415, "requests must be of type application/json"),
    ],
)
def test_a_body_that_is_no_json_is_refused(media_type: str, body: bytes, status: int, message: str) -> None:
    with pytest.raises(PistonError) as refused:
        read_body(media_type, body)
    assert refused.value.status == status
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"null"])
def test_json_that_is_no_object_has_no_fields(body: bytes) -> None:
    assert read_body("application/json", body) == {}


# ------------------------------------------------------------------------------------------- anything at all

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
nearly_a_file = st.fixed_dictionaries(
    {},
    optional={
        "name": anything | st.sampled_from(["a.py", "../b", "a/b"]),
        "content": anything | st.text(max_size=20),
        "encoding": anything | st.sampled_from(["utf8", "base64", "hex"]),
    },
)
limit = anything | st.sampled_from([-1, 0, 1, 2**24, 1e-320, 1e308])
nearly_a_request = st.fixed_dictionaries(
    {},
    optional={
        "language": anything | st.sampled_from(["python", "py", "c++"]),
        "version": anything | st.sampled_from(["*", "3.x"]),
        "files": anything | st.lists(nearly_a_file, max_size=3),
        "stdin": anything,
        "args": anything | st.lists(st.text(max_size=5)),
        "run_timeout": limit,
        "compile_cpu_time": limit,
        "run_memory_limit": limit,
        "compile_memory_limit": limit,
    },
)


@settings(max_examples=400, deadline=None)
@given(anything | nearly_a_request)
@example({"language": "python", "version": "*", "files": [{"content": "1"}], "run_timeout": 1e-320})
def test_any_json_is_a_request_or_an_error(fields: Any) -> None:
    try:
        request = read_request(read_body("application/json", _json(fields)), RUNTIMES, CEILINGS)
    except PistonError as refused:
        assert refused.status in {400, 415}
        assert refused.message
        return
    assert CodeSpec.model_validate(orjson.loads(request.spec.model_dump_json())) == request.spec
    assert request.runtime in RUNTIMES


def _json(fields: Any) -> bytes:
    try:
        return orjson.dumps(fields)
    except (TypeError, orjson.JSONEncodeError):  # lone surrogates
        return b"{}"


@given(st.binary(max_size=60), st.sampled_from(["application/json", "text/plain", "image/png"]))
def test_any_body_is_read_or_refused(body: bytes, media_type: str) -> None:
    try:
        assert isinstance(read_body(media_type, body), dict)
    except PistonError as refused:
        assert refused.status in {400, 415}


# ------------------------------------------------------------------------------------------- answers

OK = CodeResult(
    verdict=Verdict.OK, exit_code=0, stdout="1\n", output="1\n", wall_ms=15.2, cpu_ms=7.6, memory_bytes=1_160_000,
    version="3.12.0", language="python",
)  # fmt: skip


def test_an_answer_has_pistons_shape() -> None:
    assert answer(asked(), OK) == {
        "run": {
            "stdout": "1\n", "stderr": "", "output": "1\n", "code": 0, "signal": None, "message": None,
            "status": None, "cpu_time": 8, "wall_time": 15, "memory": 1_160_000, "verdict": "ok",
        },
        "language": "python",
        "version": "3.12.0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("result", "status", "code", "signal", "message"),
    [
        (CodeResult(verdict=Verdict.RUNTIME_ERROR, exit_code=3), "RE", 3, None, "Exited with error status 3"),
        (CodeResult(verdict=Verdict.SIGNAL, signal="SIGSEGV"), "SG", None, "SIGSEGV", "Caught fatal signal 11"),
        (CodeResult(verdict=Verdict.SIGNAL, signal="SIG40"), "SG", None, "SIG40", "Caught fatal signal 40"),
        (
            CodeResult(verdict=Verdict.TIME_LIMIT, signal="SIGXCPU", cpu_ms=3001, wall_ms=3100),
            "TO", None, "SIGKILL", "Time limit exceeded",
        ),
        (
            CodeResult(verdict=Verdict.TIME_LIMIT, cpu_ms=10, wall_ms=3001),
            "TO", None, "SIGKILL", "Time limit exceeded (wall clock)",
        ),
        (
            CodeResult(verdict=Verdict.OUTPUT_LIMIT, stdout="xx", stderr="x"),
            "OL", None, "SIGKILL", "stdout length exceeded",
        ),
        (CodeResult(verdict=Verdict.OUTPUT_LIMIT, stderr="x"), "EL", None, "SIGKILL", "stderr length exceeded"),
        (CodeResult(verdict=Verdict.MEMORY_LIMIT, signal="SIGKILL"), "SG", None, "SIGKILL", "Caught fatal signal 9"),
        (CodeResult(verdict=Verdict.MEMORY_LIMIT, exit_code=1), "RE", 1, None, "Exited with error status 1"),
        (CodeResult(verdict=Verdict.INTERNAL_ERROR, message="No worker."), "XX", None, None, "No worker."),
    ],
)  # fmt: skip
def test_every_verdict_has_pistons_words(
    result: CodeResult, status: str, code: int | None, signal: str | None, message: str
) -> None:
    told = answer(asked(), result)["run"]
    assert isinstance(told, dict)
    assert (told["status"], told["code"], told["signal"], told["message"]) == (status, code, signal, message)
    assert told["verdict"] == result.verdict
    assert told["memory"] is None


@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_what_ended_well_has_no_status(verdict: Verdict) -> None:
    assert (status_of(CodeResult(verdict=verdict)) is None) is (verdict is Verdict.OK)


def test_a_compiled_program_shows_its_compilation() -> None:
    compiled = CodeResult(verdict=Verdict.OK, exit_code=0, stderr="warning")
    told = answer(asked(), CodeResult(verdict=Verdict.OK, exit_code=0, stdout="1", compile=compiled))
    assert list(told) == ["compile", "run", "language", "version"]
    assert isinstance(told["compile"], dict)
    assert told["compile"]["stderr"] == "warning"
    assert told["compile"]["status"] is None


def test_what_does_not_compile_has_the_compilation_as_its_run() -> None:
    compiled = CodeResult(verdict=Verdict.COMPILE_ERROR, exit_code=1, stderr="error: x")
    told = answer(asked(), CodeResult(verdict=Verdict.COMPILE_ERROR, compile=compiled))
    assert told["run"] == told["compile"]
    assert isinstance(told["run"], dict)
    assert (told["run"]["status"], told["run"]["code"]) == ("RE", 1)
    assert told["run"]["message"] == "Exited with error status 1"


results = st.builds(
    CodeResult,
    verdict=st.sampled_from(Verdict),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.sampled_from(["SIGSEGV", "SIGKILL", "SIG40", ""]),
    stdout=st.text(max_size=5),
    stderr=st.text(max_size=5),
    cpu_ms=st.none() | st.floats(0, 1e9),
    compile=st.none() | st.builds(CodeResult, verdict=st.sampled_from(Verdict)),
)


@given(results)
def test_any_result_has_an_answer(result: CodeResult) -> None:
    told = orjson.loads(orjson.dumps(answer(asked(), result)))
    assert told["run"]["status"] in {None, "RE", "SG", "TO", "OL", "EL", "XX"}
    assert ("compile" in told) is (result.compile is not None)
