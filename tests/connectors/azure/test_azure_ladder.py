"""Why commands do not run on a VM: the rung that fails for each fault, its sentence; looking changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure_world import SECRET, VM_ID, Answer, World, hang_up, refusal, reply, run_command, running_world, vm_body
from pydantic import ValidationError

from afield.clock import SystemClock
from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.api import AzureApi
from afield.connectors.azure.causes import OPERATION_CODES, explain
from afield.connectors.azure.conflict import ConflictKind, OwnOperation
from afield.connectors.azure.ladder import azure_ladder
from afield.connectors.azure.our_side import ConflictNotes, OurSide
from afield.connectors.azure.permissions import ACTION_NEEDS, allows, missing, parse_grant
from afield.connectors.azure.status import read_status, status_json
from afield.connectors.base import CheckVerdict
from afield.diagnose.diagnosis import Diagnosis
from afield.diagnose.ladder import Climb, climb
from afield.testing.notes import MemoryNotes

RUNGS = ["token", "vm", "power", "agent", "extension_operations", "permission", "room", "conflict", "echo"]
OK, WARN, FAIL, SKIPPED, COULD_NOT = CheckVerdict
PERMISSIONS = "providers/Microsoft.Authorization/permissions"
ALL = {"value": [{"actions": ["*"], "notActions": []}]}
BUSY = {"code": "ProvisioningState/transitioning", "message": "Enable in progress"}
DONE = {"code": "ProvisioningState/succeeded"}
NOW = SystemClock().now()


@dataclass
class Climber:
    """A stand-in for Azure, and climbs of its VM's ladder."""

    azure: World

    async def climb(self, ours: OurSide | None = None, *, action: bool = False, how: Climb | None = None) -> Diagnosis:
        async def asked() -> OurSide:
            return ours or OurSide()

        async with self.api() as api:
            wanted = {"wanted": ACTION_NEEDS} if action else {}
            checks = azure_ladder(api, self.address, SystemClock(), ours=asked, action=action, pause_s=0, **wanted)
            diagnosis = await climb("target web one", checks, how)
        for rung in diagnosis.rungs:
            result = rung.result
            assert rung.verdict is SKIPPED or (result.asked and result.answered), rung
            assert rung.verdict not in {WARN, FAIL, COULD_NOT} or (result.cause and result.next_step), rung
        assert not any(secret in repr(diagnosis) for secret in (SECRET["client_secret"], "token-1"))
        return diagnosis

    @property
    def address(self) -> VmAddress:
        return VmAddress(resource_id=VM_ID, management_url=self.azure.url)

    @asynccontextmanager
    async def api(self, patience: timedelta = timedelta(seconds=5)) -> AsyncIterator[AzureApi]:
        api = await AzureApi.open(self.azure.context(), self.address, patience)
        try:
            yield api
        finally:
            await api.close()

    def shows(self, *commands: Any) -> None:
        self.azure.answers["GET", "runCommands"].clear()
        self.azure.tell("GET", "runCommands", reply({"value": list(commands)}))


@pytest.fixture
async def climber() -> AsyncIterator[Climber]:
    async with running_world() as azure:
        azure.tell("GET", PERMISSIONS, reply(ALL))
        azure.tell("GET", "runCommands", reply({"value": []}))
        yield Climber(azure)


def verdicts(diagnosis: Diagnosis) -> dict[str, CheckVerdict]:
    """Those that are not ok, nor skipped."""
    return {rung.name: rung.verdict for rung in diagnosis.rungs if rung.verdict not in {OK, SKIPPED}}


def told(diagnosis: Diagnosis, rung: str) -> str:
    return next(one.result.answered for one in diagnosis.rungs if one.name == rung)


async def test_all_is_well_and_nothing_is_run(climber: Climber) -> None:
    diagnosis = await climber.climb()
    assert [rung.name for rung in diagnosis.rungs] == RUNGS
    assert verdicts(diagnosis) == {}
    assert {method for method, _ in climber.azure.asked} == {"GET"}
    assert len(climber.azure.asked) == 4


@pytest.mark.parametrize(
    ("vm", "rung", "verdict", "said"),
    [
        (vm_body(power="deallocated"), "power", FAIL, "The VM web1 is deallocated"),
        (vm_body(power="starting"), "power", FAIL, "next step: wait until the VM has started"),
        (vm_body(power=None), "power", WARN, "does not mean that it is stopped"),
        (vm_body(power="levitating"), "power", WARN, "'levitating', a word that is not known"),
        (vm_body(agent="Not Ready"), "agent", FAIL, "The guest agent of web1 is not ready"),
        (vm_body(agent="Pondering"), "agent", WARN, "does not tell whether the guest agent"),
        (vm_body(allowExtensionOperations=False), "extension_operations", FAIL, "does not allow extensions"),
        (vm_body(os_type="Plan9"), "vm", FAIL, "does not say whether web1 runs Linux or Windows"),
        (vm_body(extension=BUSY), "conflict", WARN, "An action run command that is not ours runs on the VM"),
    ],
)
async def test_what_the_vm_shows(climber: Climber, vm: Any, rung: str, verdict: CheckVerdict, said: str) -> None:
    climber.azure.vm = vm
    diagnosis = await climber.climb()
    assert verdicts(diagnosis) == {rung: verdict}
    assert said in diagnosis.sentence


async def test_a_power_state_that_is_missing_for_a_moment_is_asked_for_again(climber: Climber) -> None:
    climber.azure.tell("GET", "vm", reply({"value": []}), reply(vm_body(power=None)), reply(vm_body()))
    assert verdicts(await climber.climb()) == {}


NO_GROUP = refusal(404, "ResourceGroupNotFound", "Resource group 'ops' could not be found.")
NO_VM = refusal(404, "ResourceNotFound", "The Resource 'Microsoft.Compute/virtualMachines/web1' was not found.")
DENIED = refusal(
    403,
    "AuthorizationFailed",
    "The client 'c' does not have authorization to perform action 'Microsoft.Compute/virtualMachines/read' over scope",
)


@pytest.mark.parametrize(
    ("answer", "verdict", "said"),
    [
        (NO_VM, FAIL, "the VM was deleted, moved, or its id is misspelt"),
        (NO_GROUP, FAIL, "Azure knows no such resource group"),
        (DENIED, FAIL, "the credential may not Microsoft.Compute/virtualMachines/read"),
        (refusal(429, "OperationNotAllowed", "too many requests", **{"Retry-After": "7"}), COULD_NOT, "throttles"),
        (refusal(503, "ServiceUnavailable", "busy"), COULD_NOT, "Azure has trouble of its own: it answered 503"),
        (hang_up, COULD_NOT, "Timeout: Azure took the question and gave no answer"),
        (reply(["what"]), COULD_NOT, "is not Azure's management interface"),
    ],
)
async def test_answers_about_the_vm(climber: Climber, answer: Answer, verdict: CheckVerdict, said: str) -> None:
    climber.azure.tell("GET", "vm", reply({"value": []}), answer)
    diagnosis = await climber.climb()
    assert verdicts(diagnosis) == {"vm": verdict}
    assert said in diagnosis.sentence


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("InvalidAuthenticationToken", "Azure does not accept the access token"),
        ("ExpiredAuthenticationToken", "the access token has expired"),
        ("InvalidAuthenticationTokenAudience", "made for another service or another cloud"),
    ],
)
async def test_tokens_that_azure_refuses(climber: Climber, code: str, said: str) -> None:
    climber.azure.good_token = "token-2"
    climber.azure.tell("GET", "vm", refusal(401, code, "no"))
    diagnosis = await climber.climb()
    assert verdicts(diagnosis)["token"] is FAIL and said in diagnosis.sentence


async def test_nobody_there(climber: Climber) -> None:
    async with running_world() as gone:
        url = gone.url
    climber.azure.url = url
    assert "Azure cannot be reached from here" in (await climber.climb()).sentence


READER = {"value": [{"actions": ["*/read"], "notActions": []}]}


async def test_a_missing_permission_is_named(climber: Climber) -> None:
    climber.azure.answers["GET", PERMISSIONS].clear()
    climber.azure.tell("GET", PERMISSIONS, reply(READER))
    managed, action = await climber.climb(), await climber.climb(action=True)
    assert verdicts(managed) == verdicts(action) == {"permission": FAIL}
    assert "may not Microsoft.Compute/virtualMachines/runCommands/write on web1" in managed.sentence
    assert "runCommands/delete" in told(managed, "permission")
    assert "may not Microsoft.Compute/virtualMachines/runCommand/action on web1" in action.sentence


@pytest.mark.parametrize(("number", "verdict"), [(20, None), (21, WARN), (25, FAIL)])
async def test_room_for_managed_commands(climber: Climber, number: int, verdict: CheckVerdict | None) -> None:
    climber.shows(*(run_command(f"{'afield' if n < 3 else 'theirs'}-{n}") for n in range(number)))
    diagnosis = await climber.climb()
    assert verdicts(diagnosis) == ({} if verdict is None else {"room": verdict})
    assert told(diagnosis, "room") == f"{number} of 25, of these 3 of ours that have ended"


REFUSED = OurSide(refused_at=NOW)


@pytest.mark.parametrize(
    ("extension", "ours", "kind", "if_action", "said"),
    [
        (BUSY, OurSide(own=OwnOperation(started_at=NOW, in_progress=True)), "true", WARN, "Our own action run command"),
        (BUSY, OurSide(), "foreign", WARN, "not ours"),
        (DONE, REFUSED, "false_conflict", FAIL, "although none runs"),
        (BUSY, OurSide(transitioning_since=NOW - timedelta(hours=2)), "orphaned", FAIL, "cannot end any more"),
        (DONE, OurSide(), "none", None, "Nothing is wrong"),
    ],
)
async def test_conflicts(
    climber: Climber, extension: Any, ours: OurSide, kind: str, if_action: CheckVerdict | None, said: str
) -> None:
    climber.azure.vm = vm_body(extension=extension)
    managed, action = await climber.climb(ours), await climber.climb(ours, action=True)
    assert verdicts(action) == ({} if if_action is None else {"conflict": if_action})
    assert verdicts(managed) == ({} if if_action is None else {"conflict": WARN})
    assert told(action, "conflict").startswith(f"{kind}. ") and said in action.sentence
    assert kind != "false_conflict" or "next step: run the same step as a managed run command" in action.sentence


# --------------------------------------------------------------------------------------- the one that runs something

ECHO = Climb(intrusive=("echo",))


@asynccontextmanager
async def echoing(climber: Climber, **view: Any) -> AsyncIterator[list[str]]:
    """The VM runs what is PUT on it; the names of what was."""
    names: list[str] = []

    def put(request: Any) -> Any:
        names.append(request.path.rpartition("/")[2])
        tail = f"runCommands/{names[-1]}"
        ended = {"output": "Azure connectivity test successful\n"} | view
        climber.azure.tell(
            "GET", tail, reply(run_command(names[-1], "Running")), reply(run_command(names[-1], **ended))
        )
        return reply({"name": names[-1], "properties": {}}, status=201)(request)

    original = climber.azure._next
    climber.azure._next = lambda request, tail: put(request) if request.method == "PUT" else original(request, tail)  # type: ignore[method-assign]
    yield names


async def test_echo_runs_a_managed_command_and_removes_it(climber: Climber) -> None:
    async with echoing(climber) as names:
        diagnosis = await climber.climb(how=ECHO)
    assert verdicts(diagnosis) == {}
    [name] = names
    assert ("DELETE", f"runCommands/{name}") in climber.azure.asked
    [body] = climber.azure.bodies
    assert body["properties"]["source"] == {"script": "echo 'Azure connectivity test successful'"}


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"exitCode": 1, "state": "Failed", "message": "no shell"}, "did not do what it should"),
        ({"output": "yesterday's"}, "did not do what it should"),
    ],
)
async def test_an_echo_that_comes_back_wrong(climber: Climber, shown: Any, said: str) -> None:
    async with echoing(climber, **shown) as names:
        diagnosis = await climber.climb(how=ECHO)
    assert verdicts(diagnosis) == {"echo": FAIL} and said in diagnosis.sentence
    assert ("DELETE", f"runCommands/{names[0]}") in climber.azure.asked


async def test_an_echo_whose_reply_is_lost_is_removed_all_the_same(climber: Climber) -> None:
    original = climber.azure._next
    lost = lambda request, tail: hang_up(request) if request.method == "PUT" else original(request, tail)  # noqa: E731
    climber.azure._next = lost  # type: ignore[method-assign]
    assert verdicts(await climber.climb(how=ECHO)) == {"echo": COULD_NOT}
    assert climber.azure.counted("DELETE") == 1


@pytest.mark.parametrize(
    ("vm", "commands", "ours", "busy", "said"),
    [
        (vm_body(extension=BUSY), [], OurSide(), False, "not ours"),
        (vm_body(extension=DONE), [], REFUSED, False, "although none runs"),
        (vm_body(), [run_command("theirs", "Running")], OurSide(), False, "a managed run command is running"),
        (vm_body(), [], OurSide(), True, "something is running on the target"),
        (vm_body(agent="Not Ready"), [], OurSide(), False, "gave no good answer"),
    ],
)
async def test_echo_is_refused(
    climber: Climber, vm: Any, commands: list[Any], ours: OurSide, busy: bool, said: str
) -> None:
    climber.azure.vm = vm
    climber.shows(*commands)
    diagnosis = await climber.climb(ours, how=Climb(intrusive=("echo",), busy=busy))
    assert diagnosis.rungs[-1].verdict is SKIPPED and said in told(diagnosis, "echo")
    assert {method for method, _ in climber.azure.asked} == {"GET"}


# --------------------------------------------------------------------------------------- what stands behind the rungs


async def test_the_status_of_a_vm_as_json(climber: Climber) -> None:
    climber.azure.vm = vm_body(extension=BUSY)
    climber.shows(run_command("afield-1", "Running", output="secret words"))
    async with climber.api() as api:
        shown: Any = status_json(await read_status(api, climber.address, SystemClock()), climber.address)
    assert (shown["vm_name"], shown["vm_power_state"], shown["running_command_detected"]) == ("web1", "running", True)
    assert shown["conflict"] == "foreign" and shown["ways_out"][0]["risk"].startswith("none")
    assert [command["state"] for command in shown["managed_run_commands"]] == ["Running"]
    assert "secret words" not in repr(shown)


async def test_our_side_is_remembered_between_processes() -> None:
    notes = MemoryNotes()
    writer, later = ConflictNotes(notes), NOW + timedelta(minutes=1)
    await writer.seen(transitioning=True, at=NOW)
    await writer.seen(transitioning=True, at=later)
    await writer.refused(later)
    await writer.restarted(NOW)
    assert await ConflictNotes(notes).our_side() == OurSide(refused_at=later, transitioning_since=NOW, restarted_at=NOW)
    await writer.seen(transitioning=False, at=later)
    assert (await writer.our_side()).transitioning_since is None


@pytest.mark.parametrize(
    ("actions", "not_actions", "wanted", "allowed"),
    [  # of Microsoft.Compute/virtualMachines/
        (["*"], [], "runCommand/action", True),
        (["*/read"], [], "runCommands/read", True),
        (["*/read"], [], "runCommands/write", False),
        (["microsoft.compute/VIRTUALMACHINES/*"], [], "runCommands/write", True),
        (["Microsoft.Compute/*/write"], [], "runCommands/write", True),
        (["*"], ["Microsoft.Compute/*/write"], "runCommands/write", False),
        (
            ["Microsoft.Compute/virtualMachines/runCommand"],
            [],
            "Microsoft.Compute/virtualMachines/runCommands/x",
            False,
        ),
        (["Microsoft.Compute.virtualMachines/read"], [], "read", False),
        ([], [], "read", False),
    ],
)
def test_permissions(actions: list[str], not_actions: list[str], wanted: str, allowed: bool) -> None:
    assert allows(actions, not_actions, f"Microsoft.Compute/virtualMachines/{wanted}") is allowed


def test_what_one_role_leaves_out_another_may_give() -> None:
    leaves_out = parse_grant({"actions": ["*"], "notActions": ["*/write"]})
    gives = parse_grant({"actions": ["Microsoft.Compute/virtualMachines/runCommands/write", 7], "notActions": None})
    wanted = ["Microsoft.Compute/virtualMachines/read", "Microsoft.Compute/virtualMachines/runCommands/write"]
    assert missing([leaves_out], wanted) == (wanted[1],)
    assert missing([leaves_out, gives], wanted) == ()


@pytest.mark.parametrize(
    ("status", "code", "message", "said"),
    [
        (409, "Conflict", "Run command extension execution is in progress.", "Conflict: Azure refuses"),
        (
            409,
            "OperationNotAllowed",
            "Cannot modify extensions when the VM is not running.",
            "is not running",
        ),
        (
            409,
            "OperationNotAllowed",
            "the VM is either deallocated or marked to be",
            "is not running",
        ),
        (409, "AnotherOperation", "since another operation is in progress.", "Another operation on the VM"),
        (429, "OperationNotAllowed", "too many requests", "throttles"),
        (409, "OperationNotAllowed", "The maximum number of managed Run commands (max=25, current=25)", "(25)"),
        (0, "Novel", "never seen", "The operation failed: Novel: never seen"),
        (418, "", "", "Azure answered 418: an empty body"),
    ],
)
def test_causes_are_told_by_status_then_code_then_message(status: int, code: str, message: str, said: str) -> None:
    assert said in explain(status, code, message).sentence


def test_every_known_operation_code_has_a_cause_of_its_own() -> None:
    causes = {explain(0, code, "") for code in OPERATION_CODES}
    assert len(causes) == len(OPERATION_CODES) == 4


def test_the_pages_tell_of_every_code_and_every_kind() -> None:
    docs = Path(__file__).parents[3] / "docs"
    failures, conflict = ((docs / name).read_text("utf-8") for name in ("azure-failures.md", "azure-conflict.md"))
    patterns = ["Azure connector requires resource_id", "Azure credentials required", "Conflict", "Timeout"]
    wanted = [*OPERATION_CODES, *patterns, "Permission denied"]
    assert [text for text in wanted if f"`{text}`" not in failures] == []
    assert [kind for kind in ConflictKind if f"| `{kind}` |" not in conflict] == []


def test_an_address_without_a_vm_says_so_in_the_words_people_search_for() -> None:
    with pytest.raises(ValidationError, match="Azure connector requires resource_id"):
        VmAddress.model_validate({})
