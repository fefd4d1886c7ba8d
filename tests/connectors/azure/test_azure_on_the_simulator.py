"""Scripts that really run: what reaches them, what comes back, what is left on the machine, and what goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any, cast

import pytest
from azure_remote import Cloud, CloudHarness, known, looked, ran, running_cloud
from azure_world import new_intent

from afield.connectors.azure.action import AzureVmActionConnector
from afield.connectors.azure.managed import AzureVmConnector
from afield.connectors.base import (
    NO_ROOM,
    Accepted,
    CollectError,
    Connector,
    LookQuery,
    NotSent,
    Refused,
    RemoteState,
    Unknown,
)
from afield.connectors.registry import AnyConnector
from afield.connectors.tokens import Refresh, Token
from afield.errors import CredentialError
from afield.faultpoints import FaultPoint
from afield.model.states import ExecutionState
from afield.testing.harness import Bench

Kind = type[Connector[Any, Any]]
MANAGED, ACTION = AzureVmConnector, AzureVmActionConnector
BOTH = pytest.mark.parametrize("kind", [MANAGED, ACTION])
NASTY = ("two  words", "; rm -rf /", "$HOME `id` $(id)", 'it\'s "quoted"', "line\nline", "", "*", "\\", "ü€", "-n")


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with running_cloud() as running:
        yield running


def _bench_harness(cloud: Cloud, kind: Kind) -> CloudHarness:
    return CloudHarness(cloud, cast("type[AnyConnector]", kind), {})


# ---------------------------------------------------------------------------------------- there and back


@BOTH
async def test_exit_code_and_both_streams_come_back_and_nothing_stays(cloud: Cloud, kind: Kind) -> None:
    entry, output = await ran(cloud, kind, script="echo out; echo err >&2; exit 123")
    assert (entry.state, entry.reason and entry.reason.code) == (RemoteState.FAILED, "exit_code")
    assert (output.detail["exit_code"], output.detail["stdout"], output.detail["stderr"]) == (123, "out\n", "err\n")
    assert cloud.artifacts.stored == {"out": b"out\nerr\n"}
    assert await cloud.gone()
    assert len(await cloud.journal()) == 1


@BOTH
async def test_values_reach_the_script_exactly(cloud: Cloud, kind: Kind) -> None:
    env = {f"VALUE_{number}": value for number, value in enumerate(NASTY)}
    shown = "".join(f'printf "<%s>" "${name}"; ' for name in env)
    script = f'{shown}printf "(%s)" "$@"; printf "%s" "$#" >&2'
    _, output = await ran(cloud, kind, script=script, env=env, arguments=list(NASTY))
    assert output.detail["stdout"] == "".join(f"<{one}>" for one in NASTY) + "".join(f"({one})" for one in NASTY)
    assert output.detail["stderr"] == str(len(NASTY))


@pytest.mark.parametrize("protect", [True, False])
async def test_values_can_be_hidden_from_who_reads_the_run_command(cloud: Cloud, protect: bool) -> None:
    intent = new_intent({"script": 'echo "${#WORD} $1"', "env": {"WORD": "hush-hush"}, "arguments": ["seen"]})
    async with cloud.connector(MANAGED, protect_parameters=protect) as connector:
        await connector.submit(intent)
        await looked(connector, known(intent))
        output = await connector.collect(intent.key, cloud.artifacts.sink("out"))
        shown = await connector._vm.api.get_run_command(connector._vm.address, intent.key)
    assert output.detail["stdout"] == "9 seen\n"
    assert ("hush-hush" in str(shown)) is not protect


@BOTH
async def test_a_script_is_stopped_at_its_time_limit(cloud: Cloud, kind: Kind) -> None:
    entry, output = await ran(cloud, kind, script="echo on; sleep 600", timeout_s=1)
    assert (entry.state, entry.reason and entry.reason.code) == (RemoteState.TIMED_OUT, "time_over")
    assert (output.detail["exit_code"], output.detail["stdout"]) == (None, "on\n")
    await cloud.sim.arm_admin.wait("idle")


async def test_a_cancel_kills_all_that_the_script_started(cloud: Cloud) -> None:
    intent = new_intent({"script": "trap '' TERM; setsid sleep 600 & echo on; sleep 600"})
    async with cloud.connector(MANAGED) as connector:
        await connector.submit(intent)
        await looked(connector, known(intent), RemoteState.RUNNING)
        await connector.cancel(intent.key)
        assert (await looked(connector, known(intent))).state is RemoteState.CANCELLED
    await cloud.sim.arm_admin.wait("idle")
    assert [(line["name"], line["killed"]) for line in await cloud.journal()] == [(intent.key, True)]
    assert await cloud.gone()


async def test_the_whole_output_comes_through_blobs(cloud: Cloud) -> None:
    blobs = cloud.sim.ready["blobs"]
    place = {
        "output_container": f"{blobs['endpoint']}/{blobs['container']}",
        "secret": {"output_sas": blobs["container_sas"]},
    }
    intent = new_intent({"script": "seq 3000; seq 2000 >&2"})
    async with cloud.connector(MANAGED, **place) as connector:
        await connector.submit(intent)
        await looked(connector, known(intent))
        output = await connector.collect(intent.key, cloud.artifacts.sink("out"))
    lines = cloud.artifacts.stored["out"].decode().splitlines()
    assert lines == [str(n + 1) for n in range(3000)] + [str(n + 1) for n in range(2000)]
    assert (output.detail["stdout_cut"], output.size > 20_000) == (True, True)
    async with cloud.connector(MANAGED, **(place | {"secret": {"output_sas": "sv=1&sig=wrong"}})) as connector:
        refused = new_intent()
        await connector.submit(refused)
        entry = await looked(connector, known(refused))
        with pytest.raises(CollectError):
            await connector.collect(intent.key, cloud.artifacts.sink("again"))
    assert entry.reason is not None
    assert "the output blob could not be created" in entry.reason.text


async def test_a_windows_machine_is_given_powershell_and_tells_its_exit_code() -> None:
    async with running_cloud(windows=True) as cloud:
        entry, output = await ran(cloud, MANAGED, script='Write-Output "on windows"; exit 3')
        assert (entry.state, output.detail["exit_code"]) == (RemoteState.FAILED, 3)
        assert output.detail["stdout"] == "on windows\n"
        async with cloud.connector(ACTION) as connector:
            await connector.submit(new_intent())
        await cloud.sim.arm_admin.wait("started", at_least=2)
        assert (await cloud.journal())[-1]["first_line"].startswith("# afield: afield-")


# ---------------------------------------------------------------------------------------- workers that die


@BOTH
@pytest.mark.parametrize("point", [FaultPoint.AFTER_SEND, FaultPoint.AFTER_REPLY])
async def test_a_worker_dies_with_the_command_on_its_way(cloud: Cloud, kind: Kind, point: FaultPoint) -> None:
    """One line in the machine's journal, the result is found by its mark or name, and nothing stays behind."""
    bench = await Bench.start(_bench_harness(cloud, kind))
    one = await bench.record({"script": "echo once; exit 7"})
    assert await bench.crash(point)
    await cloud.sim.arm_admin.wait("ended")
    await bench.drive()
    row = await bench.row(one)
    assert (row.state, row.reason and row.reason.code) == (ExecutionState.FAILED, "exit_code")
    assert len(await cloud.journal()) == 1
    assert await cloud.gone()


async def test_old_leftovers_make_room_and_others_commands_stay(cloud: Cloud) -> None:
    admin, dead = cloud.sim.arm_admin, new_intent().key
    await admin.plant(cloud.vm.name, dead, age_seconds=90_000)
    await admin.plant(cloud.vm.name, "by-hand", count=24, age_seconds=90_000)
    async with cloud.connector(MANAGED) as connector:
        full = await connector.submit(new_intent())
        assert isinstance(full, NotSent)
        assert (full.reason.code, "25" in full.reason.text) == (NO_ROOM, True)
        await connector.look(LookQuery(since=new_intent().sent_after))
        freeing = await connector.submit(new_intent())
        assert isinstance(freeing, NotSent)
        assert (freeing.reason.code, freeing.retry_after) == (NO_ROOM, timedelta(seconds=15)), freeing
        while len(await cloud.there()) == 25:
            pass
        assert isinstance(await connector.submit(new_intent()), Accepted)
        still = await connector.submit(new_intent())
    assert isinstance(still, NotSent)
    assert (still.reason.code, "25" in still.reason.text) == (NO_ROOM, True)
    names = await cloud.there()
    assert sum(name.startswith("by-hand") for name in names) == 24
    assert await cloud.counted("command_put") == 2, "the first found the VM full; the last was not sent"


# ---------------------------------------------------------------------------------------- what Azure refuses


@BOTH
@pytest.mark.parametrize(
    ("faults", "answer", "code", "said"),
    [
        ({"throttled": {"calls": ["command_put", "run_command"], "seconds": 7}}, NotSent, "throttled", "429"),
        ({"forbidden": {}}, Refused, "forbidden", "Microsoft.Compute/virtualMachines/runCommand"),
        ({"deallocated": {}}, NotSent, "vm_not_running", "deallocated"),
        ({"agent_not_ready": {}}, NotSent, "agent_not_ready", "not yet populated"),
        ({"extension_operations_off": {}}, Refused, "extensions_not_allowed", "allowExtensionOperations"),
        ({"power_state_missing": {"next": 1}}, NotSent, "power_state_missing", "at this moment"),
        ({"unavailable_once": {"calls": ["command_put", "run_command"]}}, Unknown, "remote_error", "503"),
        ({"vm_missing": {}}, Refused, "not_found", "was not found"),
    ],
)
async def test_what_is_not_accepted_says_why_and_runs_nothing(
    cloud: Cloud, kind: Kind, faults: dict[str, Any], answer: type[Any], code: str, said: str
) -> None:
    await cloud.fault(**faults)
    async with cloud.connector(kind) as connector:
        submission = await connector.submit(new_intent())
    assert isinstance(submission, answer)
    assert submission.reason.code == code
    assert said in submission.reason.text
    if code == "throttled":
        assert submission.retry_after == timedelta(seconds=7)
    assert await cloud.journal() == []
    assert await cloud.counted("command_put", "run_command") <= 1


@pytest.mark.parametrize(("fault", "posts"), [("false_conflict", 1), ("stuck_v1", 0), ("foreign_command", 0)])
async def test_a_conflict_is_waited_for_and_costs_no_more_than_one_update(cloud: Cloud, fault: str, posts: int) -> None:
    await cloud.fault(**{fault: {}})
    async with cloud.connector(ACTION) as connector:
        answer = await connector.submit(new_intent())
        assert isinstance(answer, NotSent)
        assert answer.reason.code == "conflict"
        assert await cloud.counted("run_command") == posts
        await cloud.sim.arm_admin.clear_faults()
        assert isinstance(await connector.submit(new_intent()), Accepted)


@pytest.mark.parametrize("runs", [True, False])
async def test_the_output_of_an_earlier_command_is_never_taken_for_ours(cloud: Cloud, runs: bool) -> None:
    await ran(cloud, ACTION, script="echo earlier")
    await cloud.fault(stale_output={"runs": runs})
    entry, output = await ran(cloud, ACTION, script="echo mine")
    assert (entry.state, entry.reason and entry.reason.code) == (RemoteState.FAILED, "outcome_unknown")
    assert output.detail["exit_code"] is None


@pytest.mark.parametrize(
    ("fails", "state", "code"),
    [
        ({"code": "VMAgentStatusCommunicationError"}, RemoteState.FAILED, "agent_lost"),
        ({"code": "VMExtensionProvisioningTimeout"}, RemoteState.TIMED_OUT, "time_over"),
        ({"code": "VMExtensionProvisioningError"}, RemoteState.FAILED, "extension_failed"),
        ({"code": "VMExtensionHandlerNonTransientError"}, RemoteState.FAILED, "handler_failed"),
    ],
)
async def test_an_operation_that_fails_is_told_as_what_it_is(
    cloud: Cloud, fails: dict[str, Any], state: RemoteState, code: str
) -> None:
    await cloud.fault(operation_fails=fails)
    entry, _ = await ran(cloud, ACTION, script="echo hi")
    assert (entry.state, entry.reason and entry.reason.code) == (state, code)
    managed, _ = await ran(cloud, MANAGED, script="echo hi")
    assert managed.reason is not None
    assert (managed.state, managed.reason.code) == (RemoteState.FAILED, "provisioning_failed")
    assert managed.reason.text.endswith(f"({fails.get('code', 'VMExtensionProvisioningError')})"), "why, not only that"


# ---------------------------------------------------------------------------------------- tokens and budgets


@BOTH
async def test_a_token_that_ends_in_the_middle_is_replaced(cloud: Cloud, kind: Kind) -> None:
    intent = new_intent()
    async with cloud.connector(kind) as connector:
        await connector.submit(intent)
        await cloud.fault(token_expired={"next": 1})
        assert (await connector.look(known(intent))).complete
    assert cloud.tokens.rejected == 1


class _SignedIn:
    """Tokens by signing in; kept until one is refused."""

    def __init__(self, secret: Mapping[str, str]) -> None:
        self._secret, self._token, self.grants = secret, None, 0

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        if self._token is None or self._token.value == rejected:
            self.grants += 1
            self._token: Token | None = (await refresh(self._secret)).token
        return self._token.value


@pytest.mark.parametrize("identity", ["client_secret", "managed_identity"])
async def test_signing_in_for_real(cloud: Cloud, identity: str) -> None:
    arm, names = cloud.sim.arm, ("tenant_id", "client_id", "client_secret")
    secret = {name: getattr(arm, name) for name in names} if identity == "client_secret" else {}
    tokens = cloud.tokens = cast("Any", _SignedIn(secret))
    there = {
        "identity": identity,
        "authority_url": arm.authority,
        "ca_file": arm.ca_file,
        "imds_url": arm.imds_endpoint,
    }
    async with cloud.connector(MANAGED, **there) as connector:
        assert isinstance(await connector.submit(new_intent()), Accepted)
        assert isinstance(await connector.submit(new_intent()), Accepted)
    assert tokens.grants == 1
    if identity == "client_secret":
        cloud.tokens = cast("Any", _SignedIn(secret | {"client_secret": "an-id-not-a-value"}))
        async with cloud.connector(MANAGED, secret={"client_secret": "other"}, **there) as connector:
            with pytest.raises(CredentialError) as caught:
                await connector.submit(new_intent())
        assert "not the secret's id" in caught.value.hint


async def test_azures_budgets_are_never_exceeded() -> None:
    async with running_cloud(enforce_limits=True) as cloud:
        async with cloud.connector(MANAGED, {"pace": 1}) as connector:
            answers = [await connector.submit(new_intent()) for _ in range(14)]
        counters = await cloud.sim.arm_admin.counters()
    assert [type(one) for one in answers] == [Accepted] * 12 + [NotSent] * 2
    assert answers[-1].reason.code == "over_budget"  # type: ignore[union-attr]
    assert counters["violations"] == {}


@BOTH
async def test_a_short_step_costs_four_kinds_of_calls_and_only_looks_are_repeated(cloud: Cloud, kind: Kind) -> None:
    """By the simulator's own count: the pre-flight, the start, a look (more only while it runs) and the deletion."""
    await ran(cloud, kind, script="echo hi")
    calls = (await cloud.sim.arm_admin.counters())["calls"][cloud.vm.name]
    once = {"command_put", "command_delete"} if kind is MANAGED else {"run_command"}
    look = "command_get" if kind is MANAGED else "operation"
    assert calls == dict.fromkeys(once | {"vm_get"}, 1) | {look: calls[look]}
