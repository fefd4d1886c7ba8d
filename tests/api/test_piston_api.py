"""Piston's routes over real HTTP: answers, errors in its words, keys as its clients send them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from web_code_world import HELLO, RUNTIMES, ScriptedRunner, printed, report_of, scripted
from web_world import Web, settings_for

from afield.coderunner.pool_errors import QueueFullError, UserQueueFullError
from afield.coderunner.requests import RunReport, RunRequest
from afield.connectors.coding import CodeResult, Verdict
from afield.connectors.talk import Talk
from afield.errors import InvalidInputError, LookError, NotFoundError
from afield.kernel import Kernel, open_kernel
from afield.ledger.people import People
from afield.model.execution import Reason
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT
from afield.security.people import Role

EXECUTE = "/api/v2/execute"


@pytest.fixture
def runner() -> ScriptedRunner:
    return ScriptedRunner()


@pytest.fixture
async def web(kernel: Kernel, runner: ScriptedRunner) -> AsyncIterator[Web]:
    async with scripted(kernel, runner) as served:
        yield served


def answering(runner: ScriptedRunner, answer: CodeResult | RunReport | Exception) -> None:
    async def given(_request: RunRequest, _talk: Talk | None) -> CodeResult | RunReport:
        if isinstance(answer, Exception):
            raise answer
        return answer

    runner.answer = given  # type: ignore[method-assign]


# ------------------------------------------------------------------------------------------- running


async def test_a_program_runs_and_is_told_in_pistons_shape(web: Web, runner: ScriptedRunner) -> None:
    answering(runner, printed("hello\n", wall_ms=14.6, cpu_ms=7.5, memory_bytes=1000))
    answer = await web.post(EXECUTE, HELLO | {"stdin": "1", "args": ["a"], "run_timeout": 1000})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {
        "run": {
            "stdout": "hello\n", "stderr": "", "output": "hello\n", "code": 0, "signal": None, "message": None,
            "status": None, "cpu_time": 8, "wall_time": 15, "memory": 1000, "verdict": "ok",
        },
        "language": "python",
        "version": "3.12.0",
    }  # fmt: skip
    assert len(answer.headers["x-afield-execution"]) == 36
    [(request, user)] = runner.asked
    assert user == "local"
    assert (request.pool, request.spec.stdin, request.spec.args) == (None, "1\n", ("a",))
    assert (request.spec.limits.wall_s, request.spec.version) == (1.0, "3.12.0")


@pytest.mark.parametrize("named", [{"params": {"pool": "north"}}, {"headers": {"X-Afield-Pool": "north"}}])
async def test_the_pool_is_named_in_the_query_or_a_header(
    web: Web, runner: ScriptedRunner, named: dict[str, Any]
) -> None:
    assert (await web.post(EXECUTE, HELLO, **named)).status == 200
    assert runner.asked[0][0].pool == "north"
    assert runner.pools == ["north"]


async def test_the_idempotency_key_is_passed_on(web: Web, runner: ScriptedRunner) -> None:
    await web.post(EXECUTE, HELLO, headers={"Idempotency-Key": "k1"})
    assert runner.asked[0][0].idempotency_key == "k1"


async def test_json_under_the_name_of_text_is_read(web: Web) -> None:
    sent = {"data": json.dumps(HELLO), "headers": {"content-type": "text/plain;charset=UTF-8"}}
    assert (await web.post(EXECUTE, **sent)).json["run"]["stdout"] == "hello\n"


async def test_a_failed_compilation_is_its_own_run(web: Web, runner: ScriptedRunner) -> None:
    compiled = CodeResult(verdict=Verdict.COMPILE_ERROR, exit_code=1, stderr="error")
    answering(runner, report_of(CodeResult(verdict=Verdict.COMPILE_ERROR, compile=compiled), ExecutionState.FAILED))
    answer = await web.post(EXECUTE, HELLO | {"language": "cpp"})
    assert answer.status == 200
    assert answer.json["run"] == answer.json["compile"]
    assert answer.json["language"] == "c++"


# ------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        ({"data": b"{", "headers": {"content-type": "application/json"}}, 400, "the body is not valid JSON"),
        ({"data": b"{}", "headers": {"content-type": "application/xml"}}, 415, "requests must be of type"),
        ({"data": b"x", "headers": {"content-type": "text/plain"}}, 415, "requests must be of type"),
        ({"json": {}}, 400, "language is required as a string"),
        ({"json": HELLO | {"language": "cobol"}}, 400, "cobol-* runtime is unknown"),
        ({"json": HELLO | {"files": []}}, 400, "files must include at least one utf8 encoded file"),
        ({"json": HELLO | {"run_timeout": 9999}}, 400, "run_timeout cannot exceed the configured limit of 3000"),
        ({"json": HELLO | {"files": [{"content": "1", "name": "../x"}]}}, 400, "files[0].name must be a "),
        (
            {"data": BytesIO(b"x" * 1_100_000), "headers": {"content-type": "application/json"}},
            413,
            "The body may hold",
        ),
    ],
)
async def test_what_is_wrong_is_a_message_and_nothing_runs(
    web: Web, runner: ScriptedRunner, sent: dict[str, Any], status: int, message: str
) -> None:
    answer = await web.post(EXECUTE, **sent)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert list(answer.json) == ["message"]
    assert answer.json["message"].startswith(message)
    assert runner.asked == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInputError("It cannot be.", hint="Do it otherwise."), 400),
        (NotFoundError("There is no target 'x'."), 404),
        (LookError("The pool cannot be asked."), 502),
        (RuntimeError("secret"), 500),
    ],
)
async def test_what_the_product_refuses_is_a_message(
    web: Web, runner: ScriptedRunner, error: Exception, status: int
) -> None:
    answering(runner, error)
    answer = await web.post(EXECUTE, HELLO)
    assert answer.status == status
    assert list(answer.json) == ["message"]
    assert "secret" not in answer.json["message"]
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(("kind", "status"), [(QueueFullError, 503), (UserQueueFullError, 429)])
async def test_a_full_queue_says_when_to_ask_again(
    web: Web, runner: ScriptedRunner, kind: type[QueueFullError], status: int
) -> None:
    answering(runner, kind("Too many wait.", retry_after=7))
    answer = await web.post(EXECUTE, HELLO)
    assert (answer.status, answer.headers["retry-after"]) == (status, "7")
    assert answer.json == {"message": "Too many wait. Ask again in 7 s."}


@pytest.mark.parametrize(
    ("state", "reason", "status", "message"),
    [
        (ExecutionState.REJECTED, Reason("bad_submission", "Two files, one name."), 400, "Two files, one name."),
        (ExecutionState.UNCONFIRMED, Reason("no_reply", "It may have run."), 504, "the run is unconfirmed; /api/v1/"),
        (ExecutionState.RUNNING, None, 504, "the run is running; /api/v1/executions/"),
    ],
)  # fmt: skip
async def test_a_run_without_a_result_is_never_told_as_one(
    web: Web, runner: ScriptedRunner, state: ExecutionState, reason: Reason | None, status: int, message: str
) -> None:
    report = report_of(None, state, reason)
    answering(runner, report)
    answer = await web.post(EXECUTE, HELLO)
    assert answer.status == status
    assert answer.json["message"].startswith(message)
    assert answer.headers["x-afield-execution"] == str(report.execution.id)


# ------------------------------------------------------------------------------------------- what there is


async def test_languages_are_listed(web: Web) -> None:
    assert (await web.get("/api/v2/runtimes")).json == [
        {"language": one.language, "version": one.version, "aliases": list(one.aliases)} for one in RUNTIMES
    ]


async def test_packages_are_what_is_installed(web: Web) -> None:
    listed = (await web.get("/api/v2/packages")).json
    assert {"language": "c++", "language_version": "12.2.0", "installed": True} in listed


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_packages_are_not_installed_here(web: Web, method: str) -> None:
    answer = await web.call(method, "/api/v2/packages", {"language": "python", "version": "3.12.0"})
    assert answer.status == 405
    assert "packages are not installed over this API" in answer.json["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", EXECUTE),
        ("GET", "/api/v2/health"),
        ("PUT", "/api/v2/packages"),
        ("POST", "/api/v2"),
        ("GET", "/api/v2/"),
    ],
)
async def test_any_other_path_is_answered_as_piston_does(web: Web, method: str, path: str) -> None:
    answer = await web.call(method, path)
    assert (answer.status, answer.content) == (404, b'{"message":"Not Found"}')


async def test_the_rest_of_the_application_speaks_as_before(web: Web) -> None:
    assert (await web.problem("GET", "/api/v1/targets/nobody"))["code"] == "not_found"


# ------------------------------------------------------------------------------------------- who may


@pytest.fixture
async def guarded(tmp_path: Path, database_url: str, runner: ScriptedRunner) -> AsyncIterator[Web]:
    """A token is asked for."""
    async with (
        open_kernel(settings_for(tmp_path / "home", database_url, api_token="the-token")) as kernel,
        scripted(kernel, runner) as served,
    ):
        yield served


async def token_of(web: Web, role: Role) -> str:
    """The token of somebody with that role."""
    people = People(web.app.state.runtime.kernel.ledger.database)
    return (await people.add(DEFAULT_TENANT, role.value, role))[1]


@pytest.mark.parametrize("key", ["the-token", "Bearer the-token", "bearer the-token"])
async def test_a_key_comes_with_or_without_bearer(guarded: Web, key: str) -> None:
    assert (await guarded.post(EXECUTE, HELLO, headers={"Authorization": key})).status == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "wrong"}, {"Authorization": "Basic the-token"}])
async def test_without_a_key_that_is_known_nobody_enters(guarded: Web, headers: dict[str, str]) -> None:
    answer = await guarded.post(EXECUTE, HELLO, headers=headers)
    assert answer.status == 401
    assert list(answer.json) == ["message"]
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_plain_key_opens_these_routes_only(guarded: Web) -> None:
    headers = {"Authorization": "the-token"}
    assert (await guarded.problem("GET", "/api/v1/targets", headers=headers))["code"] == "unauthorized"


async def test_a_run_is_somebodys(guarded: Web, runner: ScriptedRunner) -> None:
    headers = {"Authorization": await token_of(guarded, Role.OPERATOR)}
    assert (await guarded.post(EXECUTE, HELLO, headers=headers)).status == 200
    assert runner.asked[0][1] == "operator"


async def test_a_viewer_sees_and_does_not_run(guarded: Web, runner: ScriptedRunner) -> None:
    headers = {"Authorization": await token_of(guarded, Role.VIEWER)}
    assert (await guarded.get("/api/v2/runtimes", headers=headers)).status == 200
    answer = await guarded.post(EXECUTE, HELLO, headers=headers)
    assert answer.status == 403
    assert "'run'" in answer.json["message"]
    assert runner.asked == []


async def test_a_page_of_another_site_runs_nothing(web: Web, runner: ScriptedRunner) -> None:
    """A browser sends text from any page to any address, without asking first."""
    headers = {"content-type": "text/plain", "Origin": "https://elsewhere.example"}
    assert (await web.post(EXECUTE, data=json.dumps(HELLO), headers=headers)).status == 403
    assert runner.asked == []
