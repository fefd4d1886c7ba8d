"""`afield targets`, `afield credentials`, and how input that is wrong is refused: before anything is recorded."""

from __future__ import annotations

import json
from pathlib import Path

from cli_world import LIMITS, SPEC, Call, Shell, address_of, secret_of

from afield_sim.testing import Simulator


async def test_a_target_and_its_credential(shell: Shell, sim: Simulator) -> None:
    secret, address = secret_of(sim), shell.cwd / "address.json"
    address.write_text(json.dumps(address_of(sim)))
    ran = [
        await shell.good("credentials", "add", "ads", "--connector", "amc", "--secret", "-", given=json.dumps(secret)),
        await shell.good("credentials", "list"),
        await shell.good("credentials", "list", "--json"),
        await shell.good(
            *("targets", "add", "north", "--connector", "amc", "--credential", "ads", "--json"),
            *("--address", f"@{address}", "--settings", json.dumps(LIMITS)),
        ),
        await shell.good("targets", "list"),
        await shell.good("targets", "list", "--json"),
        await shell.good("targets", "show", sim.instances[0], "--json"),
    ]
    assert ran[1].out == "ads  (amc)\n"
    assert [one["name"] for one in ran[2].json] == ["ads"]
    assert ran[3].json["name"] == "north"
    assert "north" in ran[4].out
    assert [one["id"] for one in ran[5].json] == [ran[3].json["id"]]
    assert ran[6].json == ran[3].json
    said = "".join(one.out + one.err for one in ran)
    assert not [name for name in ("client_secret", "refresh_token") if secret[name] in said]


WRONG = {
    "no such target": (["executions", "submit", "nowhere", "--spec", json.dumps(SPEC)], "no target 'nowhere'"),
    "not JSON": (["executions", "submit", "north", "--spec", "{sql"], "not JSON"),
    "not an object": (["executions", "submit", "north", "--spec", "[1]"], "JSON object"),
    "no such file": (["executions", "submit", "north", "--spec", "@nothing.json"], "nothing.json"),
    "bad spec": (["executions", "submit", "north", "--spec", '{"sql": "x"}'], "sql"),
    "bad label": (["executions", "submit", "north", "--spec", json.dumps(SPEC), "--label", "x"], "name=value"),
    "bad time-out": (["executions", "submit", "north", "--spec", json.dumps(SPEC), "--timeout", "-1"], "--timeout"),
    "bad id": (["executions", "show", "17"], "not an execution's id"),
    "unknown id": (["executions", "show", "0190a000-0000-7000-8000-000000000000"], "0190a000"),
    "bad id to cancel": (["executions", "cancel", "x"], "not an execution's id"),
    "bad id to diagnose": (["diagnose", "execution", "x"], "not an execution's id"),
    "bad cursor": (["executions", "list", "--cursor", "x"], "cursor"),
    "bad state": (["executions", "list", "--state", "asleep"], "asleep"),
    "unknown option": (["executions", "list", "--colour"], "--colour"),
    "unknown command": (["fly"], "fly"),
    "unknown repair": (["reconcile", "--repair", "pray"], "pray"),
    "no such check": (["diagnose", "target", "north", "--intrusive", "hammer"], "hammer"),
    "unknown connector": (["targets", "add", "x", "--connector", "ftp", "--address", "{}"], "ftp"),
    "bad address": (["targets", "add", "x", "--connector", "amc", "--address", '{"host": 1}'], "host"),
    "bad settings": (["targets", "add", "x", "--connector", "amc", "--address", "{}", "--settings", '{"a": 1}'], "a"),
    "secret not text": (["credentials", "add", "x", "--connector", "amc", "--secret", '{"client_id": 1}'], "client_id"),
    "unknown target to compare": (["reconcile", "--instance-id", "nowhere"], "no target 'nowhere'"),
}


async def test_wrong_input_is_refused_and_nothing_recorded(shell: Shell, north: str) -> None:
    every = await shell.run_each(Call(arguments) for arguments, _ in WRONG.values())
    for (case, (_, says)), ran in zip(WRONG.items(), every, strict=True):
        assert (ran.code, ran.out) == (2, ""), (case, ran)
        assert says in ran.err, (case, ran)
    assert (await shell.good("executions", "list", "--json")).json["items"] == []
    assert len((await shell.good("targets", "list", "--json")).json) == 1
    assert len((await shell.good("credentials", "list", "--json")).json) == 1


VARIABLES = [
    ("AFIELD_POOL_SIZE", "many"),
    ("AFIELD_DATABASE_URL", "nonsense"),
    ("AFIELD_SECRET_KEY", "short"),
    ("AFIELD_LOG_LEVEL", "loud"),
    ("AFIELD_ARTIFACTS_URL", "gopher://x"),
    ("AFIELD_HOME", "/proc/nowhere"),
]


async def test_a_bad_variable_is_named(shell: Shell) -> None:
    every = await shell.run_each(Call(["targets", "list"], {name: value}) for name, value in VARIABLES)
    for (name, value), ran in zip(VARIABLES, every, strict=True):
        assert (ran.code, ran.out) == (2, ""), (name, ran)
        assert name in ran.err or value in ran.err, (name, ran)


async def test_errors_are_readable_by_machines(shell: Shell) -> None:
    missing = await shell.run("targets", "show", "nowhere", "--json")
    assert missing.code == 2
    assert missing.problem["code"] == "not_found"
    assert "nowhere" in missing.problem["detail"]
    assert "afield targets list" in missing.problem["hint"]
    assert (await shell.run("executions", "show", "17", "--json")).problem["code"] == "invalid_input"
    bad = await shell.with_variables(AFIELD_PORT="high").run("targets", "list", "--json")
    assert "AFIELD_PORT" in bad.problem["detail"]


async def test_text_with_brackets_is_shown_as_it_is(shell: Shell, tmp_path: Path) -> None:
    name = "[bold]x[/nothing]"
    values = json.dumps({"client_id": "a", "client_secret": "b", "refresh_token": "c"})
    ran = await shell.good("credentials", "add", name, "--connector", "amc", "--secret", values)
    assert name in ran.out


async def test_version_and_help(shell: Shell) -> None:
    assert (await shell.good("--version")).out.startswith("afield ")
    assert "executions" in (await shell.good("--help")).out
