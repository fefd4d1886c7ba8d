"""`afield runbook`: from a file to a session, by the command alone."""

from __future__ import annotations

import json
from pathlib import Path

from cli_runbooks import APPROVED, PLAIN, UNDONE, add_here, runbook_text, step
from cli_world import Call, Ran, Shell

WRONG = runbook_text(step("sweep", "rm -rf /") + "  - name: sweep\n    colour: red\n")


def _write(shell: Shell, text: str, name: str = "room.md") -> Path:
    file = shell.cwd / name
    file.write_text(text, encoding="utf-8")
    return file


async def _each(shell: Shell, *commands: str) -> list[Ran]:
    return await shell.run_each(Call(command.split()) for command in commands)


async def test_lint_says_where_and_needs_no_database(tmp_path: Path, shell: Shell) -> None:
    nowhere = shell.with_variables(AFIELD_DATABASE_URL="nonsense", AFIELD_HOME="/proc/nowhere")
    good, bad = _write(shell, runbook_text(PLAIN), "good.md"), _write(shell, WRONG, "bad.md")
    ran = await _each(
        nowhere,
        f"runbook lint {good}",
        f"runbook lint {good} {bad} --json",
        f"runbook lint {bad}",
        f"runbook lint {tmp_path}/none.md --json",
        "runbook schema --json",
        "runbook schema",
    )
    assert [one.code for one in ran] == [0, 1, 1, 2, 0, 0], ran
    assert ran[0].out == "No problems.\n"
    assert [one["file"] for one in ran[1].json] == [str(good), str(bad)]
    assert ran[1].json[0]["problems"] == []
    first = next(one for one in ran[1].json[1]["problems"] if "colour" in one["path"])
    line = WRONG.splitlines().index("    colour: red") + 1
    assert (first["line"], first["severity"]) == (line, "error")
    assert f"{bad}:{line}:{first['column']}: error: {first['message']}" in ran[2].out
    assert first["hint"] in ran[2].out
    assert ran[3].problem["code"] == "invalid_input"
    assert ran[4].json == json.loads(ran[5].out)
    assert "runbook_id" in ran[4].json["properties"]


async def test_from_a_draft_to_an_archived_version(shell: Shell) -> None:
    await add_here(shell)
    text = runbook_text(APPROVED)
    file, bad = _write(shell, text), _write(shell, "no yaml", "bad.md")
    values = f"--target here --input folder={shell.cwd}"
    ran = await _each(
        shell,
        f"runbook save {file} --as ada --json",
        f"runbook start make-room --version 1.0.0 {values} --as ada",  # a draft is not started
        f"runbook plan make-room {values}",  # nor planned, unless its version is named
        "runbook approve make-room 1.0.0 --as grace --json",
        f"runbook start make-room {values} --idempotency-key monday --json",
        f"runbook start make-room {values} --idempotency-key monday --json",
        "runbook list --status approved --json",
        "runbook show make-room --text",
        "runbook show make-room --json",
        "runbook show make-room",
        "runbook archive make-room 1.0.0 --json",
        f"runbook start make-room --version 1.0.0 {values} --json",
        f"runbook save {bad} --json",
        f"runbook start make-room {values} --input folder",
        f"runbook start make-room {values} --input folder=/",
    )
    assert [one.code for one in ran] == [0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2], ran
    saved, draft, unplanned, approved, first, again, listed, shown, whole, card, gone, *refused = ran
    assert (saved.json["runbook"]["status"], saved.json["runbook"]["created_by"]) == ("draft", "ada")
    assert all(one["severity"] != "error" for one in saved.json["problems"])
    assert "draft" in draft.err
    assert "no approved version" in unplanned.err
    assert (approved.json["status"], approved.json["approved_by"]) == ("approved", "grace")
    assert first.json["id"] == again.json["id"]
    assert "already recorded" in again.err
    assert [one["runbook_id"] for one in listed.json["items"]] == ["make-room"]
    assert shown.out == text
    assert (whole.json["runbook"]["text"], len(whole.json["versions"])) == (text, 1)
    assert "restart" in card.out
    assert gone.json["status"] == "archived"
    assert "archived" in refused[0].problem["detail"]
    assert refused[1].problem["code"] == "invalid_input"
    assert "name=value" in refused[2].err
    assert "twice" in refused[3].err


async def test_a_plan_shows_what_would_run_where_and_records_nothing(shell: Shell) -> None:
    await add_here(shell, "north", "south")
    forbidden = _write(shell, runbook_text(UNDONE + step("wipe", "rm -rf /"), "2.0.0"), "wipe.md")
    file = _write(shell, runbook_text(UNDONE + step("restart", "systemctl stop web", "requires_approval: true")))
    values = f"--target south --target north --input folder={shell.cwd} --as ada"
    saved, planned, shown, bad, blocked, blocked_json, none = await _each(
        shell,
        f"runbook save {file}",
        f"runbook plan make-room {values} --version 1.0.0 --json",
        f"runbook plan make-room {values} --version 1.0.0",
        f"runbook save {forbidden}",
        f"runbook plan make-room {values} --version 2.0.0",
        f"runbook plan make-room {values} --version 2.0.0 --json",
        "session list --json",
    )
    assert (saved.code, planned.code, shown.code) == (0, 0, 0), (saved, planned, shown)
    places = [(one["number"], one["lane"], one["target"], one["name"]) for one in planned.json["steps"]]
    assert places == [
        *((1, 0, "south", "look"), (2, 0, "south", "sweep"), (3, 0, "south", "restart")),
        *((4, 1, "north", "look"), (5, 1, "north", "sweep"), (6, 1, "north", "restart")),
    ]
    sweep, restart = planned.json["steps"][1:3]
    assert sweep["work"]["spec"]["env"]["INPUT_FOLDER"] == str(shell.cwd)
    assert "rm" in sweep["undo"]["work"]["text"]
    assert restart["approvals_needed"] == 1
    assert planned.json["started_by"] == "ada"
    for said in ("systemctl stop web", "undone with", "on south (local)", f"'INPUT_FOLDER': '{shell.cwd}'"):
        assert said in shown.out, said
    assert (bad.code, blocked.code) == (1, 1)
    assert "wipe.md" in bad.out
    assert "the policy forbids 'wipe'" in blocked.out
    assert (blocked_json.code, blocked_json.json["blocked"]) == (1, True)
    assert blocked_json.json["steps"][2]["policy"][0]["verdict"] == "blocked"
    assert none.json == []
