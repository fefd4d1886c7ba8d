"""`afield executions`: real work in a simulated AMC, driven by a worker process."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal

import pytest
from cli_world import SPEC, Shell, worker

from afield_sim.testing import Simulator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def test_from_submission_to_output(shell: Shell, north: str, sim: Simulator) -> None:
    spec = shell.cwd / "query.json"
    spec.write_text(json.dumps(SPEC))
    async with worker(shell):
        ran = await shell.good(
            *("executions", "submit", north, "--spec", f"@{spec}", "--key", "monday", "--wait", "--json"),
            *("--label", "user_email=ada@example.com", "--timeout", "600"),
        )
    first = ran.json
    assert (first["state"], first["output_state"]) == ("succeeded", "stored")
    assert (first["labels"], first["timeout_s"]) == ({"user_email": "ada@example.com"}, 600)
    assert first["id"] in ran.err
    shown = await shell.good("executions", "show", first["id"])
    assert "queued -> submitting" in shown.out
    assert first["handle"] in shown.out
    whole = (await shell.good("executions", "show", first["id"], "--json")).json
    assert whole["target"] == north
    assert [one["number"] for one in whole["attempts"]] == [1]
    assert whole["events"][-1]["execution_id"] == first["id"]

    output = await shell.good("executions", "output", first["id"])
    assert output.out.splitlines()[0] == "campaign,impressions"
    await shell.good("executions", "output", first["id"], "--to", "result.csv")
    assert (shell.cwd / "result.csv").read_text() == output.out
    nowhere = await shell.run("executions", "output", first["id"], "--to", "no/such/folder.csv")
    assert (nowhere.code, nowhere.out) == (2, "")
    assert "no/such/folder.csv" in nowhere.err

    over = await shell.run("executions", "cancel", first["id"], "--json")
    assert over.problem["code"] == "conflict"
    assert (await shell.good("diagnose", "execution", first["id"], "--json")).json["verdict"] == "ok"
    assert len(await sim.admin.executions()) == 1


async def test_the_same_key_records_one(shell: Shell, north: str) -> None:
    again = ("executions", "submit", north, "--key", "once", "--json", "--spec")
    first = await shell.good(*again, json.dumps(SPEC))
    second = await shell.good(*again, "-", given=json.dumps(SPEC))
    assert second.json["id"] == first.json["id"]
    assert "already recorded" in second.err
    other = await shell.run(*again, json.dumps(SPEC | {"sql_query": "SELECT 1 AS one FROM dsp_impressions"}))
    assert (other.code, other.problem["code"]) == (2, "idempotency_key_reused")
    assert len((await shell.good("executions", "list", "--json")).json["items"]) == 1


async def test_lists_page_and_filter(shell: Shell, north: str) -> None:
    submit = ("executions", "submit", north, "--json", "--spec", json.dumps(SPEC), "--label")
    made = [(await shell.good(*submit, f"n={number}")).json["id"] for number in range(3)]
    listing = ("executions", "list", "--json")
    page = (await shell.good(*listing, "--limit", "2")).json
    rest = (await shell.good(*listing, "--limit", "2", "--cursor", page["next_cursor"])).json
    assert [one["id"] for one in page["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None
    one = (await shell.good(*listing, "--label", "n=1", "--target", north, "--state", "queued")).json
    assert [row["id"] for row in one["items"]] == [made[1]]
    assert (await shell.good(*listing, "--state", "running")).json["items"] == []
    lines = (await shell.good("executions", "list", "--limit", "1")).out.splitlines()
    assert made[2] in lines[1]
    cancelled = await shell.good("executions", "cancel", made[0], "--json")
    assert cancelled.json["cancel_requested_at"]
    assert "--cursor" in (await shell.good("executions", "list", "--limit", "1")).err


async def test_a_failed_execution_ends_the_wait_with_exit_code_1(shell: Shell, north: str) -> None:
    bad = json.dumps(SPEC | {"sql_query": "SELECT nothing FROM nowhere"})
    async with worker(shell):
        ran = await shell.run("executions", "submit", north, "--spec", bad, "--wait", "--json")
    assert ran.code == 1, ran
    assert ran.json["state"] in {"failed", "rejected"}


async def test_watch_prints_events_as_json(shell: Shell, north: str) -> None:
    watching = await shell.start("executions", "watch", "--json", "--target", north, stderr=asyncio.subprocess.PIPE)
    try:
        event, keys = None, 0
        while event is None:  # events from before it listens are not shown: submit until one is
            keys += 1
            made = await shell.good("executions", "submit", north, "--json", "--spec", json.dumps(SPEC))
            try:
                async with asyncio.timeout(2):
                    event = json.loads(await watching.stdout.readline())
            except TimeoutError:
                assert keys < 20
        assert (event["kind"], event["execution_id"]) == ("created", made.json["id"])
    finally:
        watching.send_signal(signal.SIGINT)
        _, err = await watching.communicate()
    assert watching.returncode == 0
    assert err == b""


async def test_watch_draws_a_table_in_a_terminal(shell: Shell, north: str) -> None:
    made = (await shell.good("executions", "submit", north, "--json", "--spec", json.dumps(SPEC))).json
    screen, side = pty.openpty()
    wide = shell.with_variables(COLUMNS="180", LINES="40", TERM="xterm-256color")
    watching = await wide.start("executions", "watch", "--every", "0.2", stdout=side, stderr=asyncio.subprocess.PIPE)
    os.close(side)
    try:
        drawn = await asyncio.to_thread(_read_until, screen, made["id"].encode())
        assert b"1 queued" in drawn
        assert north.encode() in drawn
    finally:
        watching.send_signal(signal.SIGINT)
        reading = asyncio.create_task(asyncio.to_thread(_read_all, screen))
        _, err = await watching.communicate()
        await reading
        os.close(screen)
    assert watching.returncode == 0
    assert err == b""


def _read_until(screen: int, wanted: bytes) -> bytes:
    drawn = b""
    while wanted not in drawn:
        drawn += os.read(screen, 65536)
    return drawn


def _read_all(screen: int) -> None:
    try:
        while os.read(screen, 65536):
            pass
    except OSError:  # how Linux says that nobody holds the other side any more
        return


async def test_diagnose_a_target_ends_in_a_sentence(shell: Shell, north: str, sim: Simulator) -> None:
    good = await shell.good("diagnose", "target", north)
    assert good.out.splitlines()[-1].endswith(".")
    told = await shell.good("diagnose", "target", sim.instances[0], "--json")
    assert told.json["verdict"] == "ok"
    assert told.json["sentence"] == good.out.splitlines()[-1]


async def test_diagnose_says_what_is_wrong(shell: Shell, north: str, sim: Simulator) -> None:
    await shell.good(
        *("credentials", "add", "wrong", "--connector", "amc", "--secret"),
        json.dumps({"client_id": sim.amc.client_id, "client_secret": "x", "refresh_token": "y"}),
    )
    address = {"instance_id": "amcelse", "entity_id": "ENTITY1", "marketplace_id": "ATVPDKIKX0DER"}
    urls = {"base_url": sim.amc.base_url, "token_url": sim.amc.lwa_token_url}
    await shell.good(
        *("targets", "add", "south", "--connector", "amc", "--credential", "wrong"),
        *("--address", json.dumps(address | urls)),
    )
    ran = await shell.run("diagnose", "target", "south", "--json")
    assert ran.code == 1, ran
    assert ran.json["verdict"] == "fail"
