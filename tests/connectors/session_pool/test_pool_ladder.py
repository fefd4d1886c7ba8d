"""The ladder of a session pool over recorded answers: for each trouble its rung, its sentence, its command."""

from __future__ import annotations

import copy

import pytest
from pool_ladder_fake import (
    ADAPTER,
    COULD_NOT,
    CUSTOM,
    FAIL,
    NAMED,
    OK,
    POOL_ID,
    READY,
    REGIONAL,
    ROLE_ID,
    SKIPPED,
    WARN,
    FakePool,
    answer,
    coded,
    counted,
    diagnosed,
    fake,
    ported,
    resource,
    said_by,
    stamp,
    token,
    verdicts,
)

from afield.connectors.base import CheckVerdict
from afield.connectors.session_pool.evidence import NoAnswer, PoolKind, PoolPlace, Reply, Silence
from afield.diagnose.diagnosis import to_text

# ---------------------------------------------------------------------------------------- nothing wrong


async def test_all_is_well_nothing_is_run_and_the_session_is_given_back() -> None:
    pool = fake()
    diagnosis = await diagnosed(pool)
    assert set(verdicts(diagnosis).values()) == {OK, SKIPPED}
    assert [name for name, verdict in verdicts(diagnosis).items() if verdict is SKIPPED] == ["snippet"]
    assert diagnosis.sentence == "Nothing is wrong with target p1 as far as was asked."
    assert pool.calls == [
        "POST /.management/getSession", "GET /health", "GET /ready", "POST /.management/stopSession",
    ]  # fmt: skip
    assert "was allocated for this." in said_by(diagnosis, "answer")
    assert "that was allocated for this is stopped" in said_by(diagnosis, "adapter")
    assert "0 of 10 taken; with a cooldown of 300 s that is 2 new sessions a minute" in said_by(diagnosis, "capacity")
    assert said_by(diagnosis, "languages") == "bash 5.2, python 3.12.1"
    assert "protections full" in said_by(diagnosis, "adapter")


async def test_a_session_that_was_there_before_is_left_there() -> None:
    pool = fake(session=answer(body={"identifier": "probe-1"}))
    diagnosis = await diagnosed(pool)
    assert "POST /.management/stopSession" not in pool.calls
    assert "was there before" in said_by(diagnosis, "answer")


async def test_a_session_that_was_never_allocated_is_not_missed() -> None:
    gone = answer(400, b"Failed to stop session, session not found.")
    pool = fake(health=(answer(404),), more={"/.management/stopSession": gone})
    assert "none is left behind" in said_by(await diagnosed(pool), "answer")


async def test_a_session_that_cannot_be_stopped_is_told() -> None:
    pool = fake(more={"/.management/stopSession": coded("Oops", 500)})
    assert "could not be stopped" in said_by(await diagnosed(pool), "adapter")


async def test_an_endpoint_alone_is_enough_for_what_the_pool_itself_can_tell() -> None:
    place = PoolPlace(endpoint=CUSTOM, kind=PoolKind.CUSTOM, probe_identifier="probe-1")
    diagnosis = await diagnosed(fake(place=place))
    skipped = {name for name, verdict in verdicts(diagnosis).items() if verdict is SKIPPED}
    assert skipped == {"pool", "endpoint", "role", "target_port", "template", "capacity", "snippet"}
    assert diagnosis.verdict is OK


async def test_azures_own_interpreter_has_no_adapter_and_no_port() -> None:
    changed = resource("containerType", "PythonLTS")
    changed["properties"] |= {"customContainerTemplate": None, "templateUpdateStatus": None,
                              "poolManagementEndpoint": REGIONAL}  # fmt: skip
    pool = fake(resource=changed)
    diagnosis = await diagnosed(pool)
    assert diagnosis.verdict is OK
    assert pool.calls == ["GET /session"]
    assert said_by(diagnosis, "answer") == "Azure's own interpreter runs there, and no adapter."


# ---------------------------------------------------------------------------------------- what is wrong

SET_2000 = (
    f"az rest --method patch --url '{POOL_ID}?api-version=2025-07-01' --body "
    '\'{"properties":{"customContainerTemplate":{"ingress":{"targetPort":2000}}}}\''
)
ASSIGN = (
    "az role assignment create --assignee-object-id oid-1 --assignee-principal-type ServicePrincipal "
    f'--role "Azure ContainerApps Session Executor" --scope {POOL_ID}'
)
SHOW_ENDPOINT = f"az containerapp sessionpool show {NAMED} --query properties.poolManagementEndpoint --output tsv"
NEW_IMAGE = f"az containerapp sessionpool update {NAMED} --image registry.example.org:443/runner:NEW_TAG"
EXPRESS = {"x-powered-by": "Express"}

TROUBLES: dict[str, tuple[FakePool, str, CheckVerdict, str, str]] = {
    "deleted": (
        fake(resource=coded("ResourceNotFound", 404)),
        "pool", FAIL, "Azure knows no session pool p1", "az containerapp sessionpool list",
    ),
    "unreadable": (
        fake(resource=coded("AuthorizationFailed", 403)),
        "pool", FAIL, "may not read the pool p1", '--role "Reader"',
    ),
    "arm is away": (
        fake(resource=NoAnswer(silence=Silence.REFUSED, text="no connection")),
        "pool", COULD_NOT, "Azure Resource Manager gives no good answer", "ask again",
    ),
    "change failed": (
        fake(resource=resource("provisioningState", "Failed")),
        "pool", FAIL, "its provisioning state is Failed", f"az containerapp sessionpool show {NAMED}",
    ),
    "being changed": (
        fake(resource=resource("provisioningState", "InProgress")),
        "pool", WARN, "is being changed right now", "wait some minutes",
    ),
    "no such host": (
        fake(no_way=NoAnswer(silence=Silence.NO_NAME, text="DNS knows no host p1")),
        "reachable", FAIL, "No session pool answers at p1.salmonocean", SHOW_ENDPOINT,
    ),
    "no trust": (
        fake(no_way=NoAnswer(silence=Silence.TLS, text="no certificate that is trusted")),
        "reachable", FAIL, "no certificate that is trusted", "certificates",
    ),
    "regional endpoint of a custom pool": (
        fake(place=PoolPlace(endpoint=REGIONAL, kind=PoolKind.CUSTOM, probe_identifier="probe-1")),
        "endpoint_kind", FAIL, "p1 is a custom container pool: the platform refuses such calls "
        "(DynamicApisNotAllowed)", SHOW_ENDPOINT,
    ),
    "regional endpoint, the resource not readable": (
        fake(
            place=PoolPlace(endpoint=REGIONAL, probe_identifier="probe-1"),
            resource=coded("AuthorizationFailed", 403),
            session=coded("DynamicApisNotAllowed", 403),
        ),
        "platform", FAIL, "(DynamicApisNotAllowed)", SHOW_ENDPOINT,
    ),
    "another pool's endpoint": (
        fake(place=PoolPlace(pool_id=POOL_ID, endpoint=CUSTOM, probe_identifier="probe-1"),
             resource=resource("poolManagementEndpoint", "https://p1.other-1.eastasia.azurecontainerapps.io")),
        "endpoint", FAIL, "endpoint is not that of the pool p1", "https://p1.other-1.eastasia.azurecontainerapps.io",
    ),
    "no secret": (fake(access=""), "token", FAIL, "The secret has expired", "store a new one"),
    "wrong audience": (
        fake(access=token(aud="https://management.azure.com/")),
        "token", FAIL, "for https://management.azure.com/, and session pools want https://dynamicsessions.io",
        "az account get-access-token --resource https://dynamicsessions.io",
    ),
    "token over": (fake(access=token(exp=stamp(-5))), "token", FAIL, "over already", "set this machine's clock"),
    "token not begun": (fake(access=token(nbf=stamp(900))), "token", FAIL, "not valid yet", "set this machine's clock"),
    "role missing": (
        fake(permissions=answer(body={"value": [{"actions": ["*"], "dataActions": []}]})),
        "role", FAIL, "lacks the role Azure ContainerApps Session Executor at the pool p1; Contributor and Owner do "
        "not include it", ASSIGN,
    ),
    "role missing, nothing readable": (
        fake(permissions=answer(403), assignments=answer(403), session=answer(403)),
        "platform", FAIL, "does not accept this identity (403 with an empty body)", ASSIGN,
    ),
    "role too new for the token": (
        fake(assignments=answer(body={"value": [{"properties": {
            "roleDefinitionId": ROLE_ID, "scope": POOL_ID, "createdOn": "2026-05-04T11:58:00Z"}}]}),
            session=answer(403)),
        "platform", FAIL, "was given after the token was issued", "new token",
    ),
    "role that does not count yet": (
        fake(session=answer(403)),
        "platform", FAIL, "is assigned, and the pool does not go by it yet", "wait ten minutes",
    ),
    "role given just now, and already good": (
        fake(assignments=answer(body={"value": [{"properties": {
            "roleDefinitionId": ROLE_ID, "createdOn": "2026-05-04T11:59:30Z"}}]})),
        "role", WARN, "was given only 30 s ago", "wait up to ten minutes",
    ),
    "no target port": (
        fake(resource=ported(None, None), health=(answer(404),)),
        "target_port", FAIL, "p1 has no target port", SET_2000,
    ),
    "port not rolled out": (
        fake(resource=ported(2000, 8080), health=(answer(502),)),
        "target_port", FAIL, "wants port 2000, and its active template still sends requests to port 8080", SET_2000,
    ),
    "port rolling out": (
        fake(resource=ported(2000, None, provisioningState="InProgress"), health=(answer(404),)),
        "target_port", FAIL, "still sends requests to no port at all", "wait until the change is rolled out",
    ),
    "wrong port": (
        fake(resource=ported(8080, 8080), health=(answer(502),)),
        "answer", FAIL, "Nothing answers on target port 8080 of the container: the adapter listens on 2000",
        f"az containerapp sessionpool update {NAMED} --target-port 2000",
    ),
    "another program on the wrong port": (
        fake(resource=ported(8080, 8080), health=(answer(404, {"detail": "Not Found"}),)),
        "answer", FAIL, "Another program than the adapter answers on target port 8080", "--target-port 2000",
    ),
    "image cannot be pulled": (
        fake(resource=counted(readyCount=0, imagePullFailCount=4)),
        "template", FAIL, "The image registry.example.org:443/runner:7 cannot be pulled",
        f"az containerapp sessionpool update {NAMED} --image registry.example.org:443/runner:7 --registry-server "
        "registry.example.org:443 --registry-identity system",
    ),
    "crashing": (
        fake(resource=counted(readyCount=0, crashCount=3)),
        "template", FAIL, "The container of p1 crashes as it runs (3 crashed, 0 ready)", "AppEnvSessionConsoleLogs",
    ),
    "one crashed, others work": (
        fake(resource=counted(crashCount=1)),
        "template", WARN, "(1 crashed, 2 ready)", "AppEnvSessionConsoleLogs",
    ),
    "not ready": (
        fake(resource=counted(readyCount=0, pendingCount=2), health=(answer(502),)),
        "answer", FAIL, "No container of p1 is ready (2 pending)", "properties.templateUpdateStatus.activeTemplate",
    ),
    "full by count": (
        fake(resource=counted(allocatedCount=10)),
        "capacity", WARN, "All 10 sessions of p1 are taken: a request with a new identifier is refused, with 404 or "
        "429", f"az containerapp sessionpool update {NAMED} --max-sessions 20",
    ),
    "full as 404": (
        fake(health=(answer(404),)),
        "answer", FAIL, "has no place for another session (0 of 10 are taken)", "--max-sessions 20",
    ),
    "full as 429": (
        fake(health=(answer(429, b"Error happened when allocating pod for identifier x in pool p1"),)),
        "answer", FAIL, "has no place for another session", "--max-sessions 20",
    ),
    "gone for the platform": (
        fake(session=answer(404, headers={})),
        "platform", FAIL, "No session pool answers at", SHOW_ENDPOINT,
    ),
    "no management call": (
        fake(session=coded("SessionRequestNotSupported")),
        "platform", WARN, "does not answer its own management call", "endpoint and kind",
    ),
    "Piston": (
        fake(health=(answer(404, {"message": "Not Found"}, EXPRESS),),
             more={"/": answer(200, {"message": "Piston v3.1.1"}, EXPRESS)}),
        "answer", FAIL, "Piston holds port 2000 inside the image; the adapter is not listening; next step:", NEW_IMAGE,
    ),
    "another program": (
        fake(health=(answer(404, b"<pre>Cannot GET /health</pre>", EXPRESS),)),
        "answer", FAIL, "Another program than the adapter answers on port 2000 of the container (404: <pre>Cannot",
        NEW_IMAGE,
    ),
    "adapter dead": (
        fake(health=(answer(502),)),
        "answer", FAIL, "The container lives, but nothing answers on its port 2000: the adapter in it is dead",
        NEW_IMAGE,
    ),
    "hanging": (
        fake(health=(NoAnswer(silence=Silence.TOO_LATE, text="no answer within 14 s"),)),
        "answer", FAIL, "Nothing came in time (no answer within 14 s)",
        f"az containerapp sessionpool update {NAMED} --ready-sessions 3",
    ),
    "slow": (
        fake(health=(answer(headers=ADAPTER, seconds=6.2),)),
        "answer", WARN, "answered only after 6.2 s", "--ready-sessions 3",
    ),
    "a gateway that failed once": (
        fake(health=(answer(502), answer(headers=ADAPTER))),
        "answer", WARN, "The first answer was not the adapter's (502 with an empty body), the second was", "ask again",
    ),
    "replies get lost": (
        fake(health=(NoAnswer(silence=Silence.LOST, text="the connection broke"),)),
        "answer", FAIL, "gives no answer: the connection broke", "check the network",
    ),
    "refused request": (
        fake(health=(coded("SessionRequestValidationFailed"),)),
        "answer", FAIL, "The platform itself refuses the request", "`identifier`",
    ),
    "unknown shape": (
        fake(health=(answer(418, b"short and stout"),)),
        "answer", FAIL, "in a shape that is not known: 418: short and stout", "curl -si",
    ),
    "adapter not well": (
        fake(health=(answer(500, headers=ADAPTER),)),
        "adapter", FAIL, "The adapter answers, and is not well: GET /health gives 500", "AppEnvSessionConsoleLogs",
    ),
    "adapter not ready": (
        fake(ready=answer(503, {"ready": False, "version": "0.4.0", "languages": {}}, ADAPTER)),
        "adapter", FAIL, "The adapter runs, and is not ready", "AppEnvSessionConsoleLogs",
    ),
    "adapter without readiness": (
        fake(ready=answer(404, None, ADAPTER)),
        "adapter", FAIL, "does not tell whether it is ready: GET /ready gives 404", "AppEnvSessionConsoleLogs",
    ),
    "adapter slow to tell": (
        fake(ready=NoAnswer(silence=Silence.TOO_LATE, text="no answer within 23 s")),
        "adapter",
        WARN,
        "The adapter is up, and does not tell whether it is ready: no answer within 23 s",
        "AppEnvSessionConsoleLogs",
    ),
    "a language broken": (
        fake(ready=answer(503, READY | {"ready": False, "languages": {
            "c": {"version": "14", "ok": False}, "python": {"version": "3.12", "ok": True}}}, ADAPTER)),
        "languages", WARN, "A snippet in c did not run well", "AppEnvSessionConsoleLogs",
    ),
    "no language": (
        fake(ready=answer(200, READY | {"languages": {}}, ADAPTER)),
        "languages", FAIL, "found no language", "AppEnvSessionConsoleLogs",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLES)
async def test_each_trouble_is_named_by_its_rung_with_what_mends_it(name: str) -> None:
    template, rung, verdict, cause, step = TROUBLES[name]
    pool = copy.deepcopy(template)
    diagnosis = await diagnosed(pool)
    assert (verdicts(diagnosis)[rung], diagnosis.verdict) == (verdict, verdict), to_text(diagnosis)
    explaining = next(one.result for one in diagnosis.rungs if one.name == rung)
    assert diagnosis.sentence.startswith(explaining.cause.rstrip(".")), diagnosis.sentence
    assert cause in diagnosis.sentence
    assert step in diagnosis.sentence
    assert not any(call.startswith("POST /runs") for call in pool.calls)


async def test_the_sentence_of_the_classical_404() -> None:
    diagnosis = await diagnosed(copy.deepcopy(TROUBLES["Piston"][0]))
    assert diagnosis.sentence == (
        "Piston holds port 2000 inside the image; the adapter is not listening; next step: build the image so that "
        f"only the adapter starts, and run `{NEW_IMAGE}`."
    )
    assert "GET / says 200" in said_by(diagnosis, "answer")


@pytest.mark.parametrize("name", ["full by count", "crashing", "image cannot be pulled"])
async def test_no_session_is_asked_for_where_there_is_none_to_be_had(name: str) -> None:
    pool = copy.deepcopy(TROUBLES[name][0])
    await diagnosed(pool)
    assert pool.calls == ["POST /.management/getSession"]


async def test_a_full_pool_is_asked_through_the_session_that_is_already_ours() -> None:
    pool = fake(resource=counted(allocatedCount=10), session=answer(body={"identifier": "probe-1"}))
    diagnosis = await diagnosed(pool)
    assert (verdicts(diagnosis)["capacity"], verdicts(diagnosis)["languages"]) == (WARN, OK)


async def test_the_port_that_the_template_gives_the_adapter_counts() -> None:
    changed = ported(8080, 8080)
    active = changed["properties"]["templateUpdateStatus"]["activeTemplate"]
    active["containers"][0]["env"] = [{"name": "AFIELD_SANDBOX_PORT", "value": "8080"}]
    assert (await diagnosed(fake(resource=changed))).verdict is OK
    active["containers"][0] = {"image": "i:1", "command": ["afield-sandbox"], "args": ["--port", "8080"]}
    assert (await diagnosed(fake(resource=changed))).verdict is OK


# ---------------------------------------------------------------------------------------- a snippet


async def test_a_snippet_runs_only_by_name_in_a_session_that_is_stopped_after_it() -> None:
    result = {"verdict": "ok", "exit_code": 0, "stdout": "afield 42\n"}
    pool = fake(more={"/runs": answer(200, {"run_id": "r", "status": "finished", "result": result}, ADAPTER)})
    diagnosis = await diagnosed(pool, "snippet")
    assert verdicts(diagnosis)["snippet"] is OK
    assert pool.calls[-2:] == ["POST /runs", "POST /.management/stopSession"]
    assert pool.bodies[-2] is not None
    assert pool.bodies[-2]["language"] == "python"


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (answer(503, {"error": {"code": "busy"}}, ADAPTER), "The snippet was not run: 503"),
        (
            answer(200, {"status": "finished", "result": {"verdict": "internal_error", "stdout": ""}}, ADAPTER),
            "The adapter took the snippet, and it did not end well: internal_error",
        ),
        (
            NoAnswer(silence=Silence.TOO_LATE, text="no answer within 40 s"),
            "Nobody can say whether the snippet ran: no answer within 40 s",
        ),
    ],
)
async def test_a_snippet_that_does_not_run_well(reply: Reply, cause: str) -> None:
    diagnosis = await diagnosed(fake(more={"/runs": reply}), "snippet")
    assert (verdicts(diagnosis)["snippet"], diagnosis.sentence.startswith(cause)) == (FAIL, True), diagnosis.sentence


async def test_a_snippet_whose_answer_is_lost_is_asked_for_by_its_id() -> None:
    run = {"status": "finished", "result": {"verdict": "ok", "stdout": "afield 42\n"}}
    lost = NoAnswer(silence=Silence.LOST, text="the connection broke")
    pool = fake(more={"/runs": lost}, known=answer(200, run, ADAPTER))
    diagnosis = await diagnosed(pool, "snippet")
    assert diagnosis.sentence.startswith("The snippet ran, and the answer to it was lost on the way: the connection")
    assert pool.calls[-2].startswith("GET /runs/diagnosis-")


async def test_no_snippet_is_given_to_a_stranger() -> None:
    pool = copy.deepcopy(TROUBLES["Piston"][0])
    diagnosis = await diagnosed(pool, "snippet")
    assert verdicts(diagnosis)["snippet"] is SKIPPED
    assert "POST /runs" not in pool.calls


async def test_azures_interpreter_runs_a_snippet_in_its_own_words() -> None:
    place = PoolPlace(endpoint=REGIONAL, kind=PoolKind.INTERPRETER, probe_identifier="probe-1")
    told = {"status": "Succeeded", "result": {"stdout": "afield 42\n", "stderr": ""}}
    pool = fake(place=place, resource=coded("AuthorizationFailed", 403), more={"/executions": answer(200, told)})
    diagnosis = await diagnosed(pool, "snippet")
    assert (verdicts(diagnosis)["snippet"], diagnosis.verdict) == (OK, OK)
    assert pool.calls == ["GET /session", "POST /executions", "DELETE /session"]
