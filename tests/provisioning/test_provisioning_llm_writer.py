"""The writer, on the real library and a server that misbehaves."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator

import pytest
import structlog
from llm_world import settings, writer
from pydantic import ValidationError

from afield.provisioning.llm.answers import Names, so_many_names
from afield.provisioning.llm.errors import (
    WriterError,
    WriterLimitError,
    WriterMalformedError,
    WriterNotConfiguredError,
    WriterRefusedError,
    WriterThrottledError,
    WriterTooSlowError,
    WriterUnreachableError,
)
from afield.provisioning.llm.opening import open_writer
from afield.provisioning.llm.port import Task, TaskKind
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.llm.usage import Usage
from afield_sim.testing import Simulator, running_simulator

TEAS = so_many_names(2)
GOOD = {"names": ["Assam", "Sencha"]}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(instances=1, vms=0) as running:
        yield running


def task(**more) -> Task[Names]:
    return Task(kind=TaskKind.GIVE_NAMES, instructions="Name teas.", material="<teas>", **more)


@pytest.mark.parametrize("mode", ["tool", "native", "prompted"])
async def test_typed_answers_in_every_mode(sim: Simulator, mode: str):
    async with writer(sim, output=mode) as opened:
        assert len({*(await opened.complete(task(), TEAS)).names}) == 2
        await sim.llm_admin.tell({"kind": "malformed"}, {"kind": "said", "value": {"names": ["only one"]}})
        await sim.llm_admin.tell({"kind": "said", "value": GOOD})
        assert (await opened.complete(task(), TEAS)).names == ("Assam", "Sencha")
        assert opened.usage.requests == 4
    asked = (await sim.llm_admin.requests())[0]
    assert ("tools" in asked) == (mode == "tool") and ("response_format" in asked) == (mode != "tool")


async def test_an_objection_goes_back_to_the_model(sim: Simulator):
    await sim.llm_admin.tell({"kind": "said", "value": {"names": ["Coffee", "Sencha"]}})
    await sim.llm_admin.tell({"kind": "said", "value": GOOD, "when": {"contains": "Coffee is no tea."}})
    objecting = task(objection=lambda answer: "Coffee is no tea." if "Coffee" in answer.names else "")
    async with writer(sim) as opened:
        assert (await opened.complete(objecting, TEAS)).names == ("Assam", "Sencha")
        await sim.llm_admin.tell({"kind": "said", "value": {"names": ["Coffee", "Sencha"]}, "times": None})
        with pytest.raises(WriterMalformedError):
            await opened.complete(objecting, TEAS)
    assert (await sim.llm_admin.counters())["answers"] == {"said": 5}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"kind": "malformed", "times": None}, WriterMalformedError),
        ({"kind": "text", "text": "I'd rather not.", "times": None}, WriterMalformedError),
        ({"kind": "refusal"}, WriterRefusedError),
        ({"kind": "refusal", "filtered": True}, WriterRefusedError),
        ({"kind": "throttled", "retry_after": 0.01, "quota": True, "times": None}, WriterThrottledError),
        ({"kind": "failure", "times": None}, WriterUnreachableError),
        ({"kind": "failure", "status": 400}, WriterUnreachableError),
        ({"kind": "cut", "times": None}, WriterUnreachableError),
        ({"kind": "endless", "chunk": 200_000, "pause_seconds": 0, "times": None}, WriterUnreachableError),
        ({"kind": "endless", "times": None}, WriterTooSlowError),
        ({"kind": "filled", "delay_seconds": 60, "times": None}, WriterTooSlowError),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else value.__name__,
)
async def test_what_goes_wrong_has_a_type(sim: Simulator, answer: dict[str, object], error: type[WriterError]):
    await sim.llm_admin.tell(answer)
    patience = 0.5 if error is WriterTooSlowError else 5
    async with writer(sim, seconds=patience) as opened:
        with pytest.raises(error):
            await opened.complete(task(), TEAS)
        await sim.llm_admin.reset()
        assert (await opened.complete(task(), TEAS)).names  # and it works again


async def test_a_pause_that_is_asked_for_is_kept_and_told(sim: Simulator):
    await sim.llm_admin.tell({"kind": "throttled", "retry_after": 0.2})
    async with writer(sim) as opened:
        assert (await opened.complete(task(), TEAS)).names
        await sim.llm_admin.tell({"kind": "throttled", "retry_after": 1, "times": None})
        with pytest.raises(WriterThrottledError) as throttled:
            await opened.complete(task(), TEAS)
    assert throttled.value.retry_after == 1


async def test_what_was_used_is_counted_and_costs(sim: Simulator):
    async with writer(sim, price_input=2.0, price_output=10.0) as opened:
        await sim.llm_admin.tell({"kind": "malformed", "times": 3})
        with pytest.raises(WriterMalformedError):
            await opened.complete(task(), TEAS)
        await opened.complete(task(), TEAS)
        used = opened.usage
    counted = (await sim.llm_admin.counters())["tokens"]
    assert used.requests == 4
    assert (used.input_tokens, used.output_tokens) == (counted["prompt_tokens"], counted["completion_tokens"])
    assert used.cost == pytest.approx((2 * used.input_tokens + 10 * used.output_tokens) / 1e6)
    assert (used + Usage(requests=1)).cost == used.cost and (Usage() + Usage()).cost is None


@pytest.mark.parametrize("limit", [{"requests": 5}, {"input_tokens": 1001}, {"output_tokens": 201}])
async def test_limits_hold_for_the_whole_job(sim: Simulator, limit: dict[str, int]):
    before = Usage(requests=4, input_tokens=1000, output_tokens=200)
    await sim.llm_admin.tell({"kind": "malformed"})
    async with writer(sim, before, **limit) as opened:
        with pytest.raises(WriterLimitError):
            await opened.complete(task(), TEAS)
        assert opened.usage.requests == 1
        with pytest.raises(WriterLimitError):
            await opened.complete(task(), TEAS)
    assert sum((await sim.llm_admin.counters())["answers"].values()) == 1


async def test_nothing_secret_gets_out(sim: Simulator, caplog: pytest.LogCaptureFixture):
    secret = "sk-very-secret-0123456789"
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as events:
        async with writer(sim, api_key=secret) as opened:
            with pytest.raises(WriterNotConfiguredError, match="key") as refused:
                await opened.complete(task(), TEAS)
        await sim.llm_admin.put_settings(check_key=False)
        await sim.llm_admin.tell({"kind": "failure", "status": 500, "message": f"bad key {secret}", "times": None})
        async with writer(sim, api_key=secret) as opened:
            with pytest.raises(WriterUnreachableError) as failed:
                await opened.complete(task(), TEAS)
    shown = ["".join(traceback.format_exception(one.value)) for one in (refused, failed)]
    everything = "".join(shown) + caplog.text + str(events) + repr(settings(sim, api_key=secret))
    assert [event["event"] for event in events] == ["llm.task", "llm.task"]
    assert secret not in everything and "<teas>" not in everything and "Name teas." not in everything


async def test_a_model_that_is_not_there(sim: Simulator):
    async with writer(sim, model="none") as opened:
        with pytest.raises(WriterNotConfiguredError, match="name"):
            await opened.complete(task(), TEAS)
    async with writer(sim, base_url="http://127.0.0.1:9/v1") as opened:
        with pytest.raises(WriterUnreachableError):
            await opened.complete(task(), TEAS)


@pytest.mark.parametrize("model", ["", "nobody:knows", "openai:gpt-5-mini", "anthropic:claude-sonnet-4-5"])
async def test_what_is_not_configured_says_so(model: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(WriterNotConfiguredError):
        async with open_writer(LlmSettings(model=model)):
            raise AssertionError("it was opened")


async def test_a_provider_by_name_takes_the_key(monkeypatch: pytest.MonkeyPatch, sim: Simulator):
    monkeypatch.setenv("OPENAI_BASE_URL", sim.llm.base_url)
    given = LlmSettings.model_validate({"model": "openai-chat:sim-writer", "api_key": sim.llm.api_key})
    async with open_writer(given) as opened:
        assert (await opened.complete(task(), TEAS)).names


def test_settings_come_from_the_environment_and_refuse_credentials_in_addresses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AFIELD_LLM_MODEL", "llama3:8b")
    monkeypatch.setenv("AFIELD_LLM_BASE_URL", "http://127.0.0.1:11434/v1")
    assert LlmSettings().configured and LlmSettings().output == "tool"
    for url in ("http://me:secret@localhost/v1", "ftp://x/v1", "http://x/v1?key=secret"):
        monkeypatch.setenv("AFIELD_LLM_BASE_URL", url)
        with pytest.raises(ValidationError) as refused:
            LlmSettings()
        assert "secret" not in str(refused.value)


async def test_answers_hold_nothing_that_was_not_asked_for(sim: Simulator):
    await sim.llm_admin.tell({"kind": "said", "value": {**GOOD, "sql": "drop table orders"}, "times": None})
    async with writer(sim) as opened:
        with pytest.raises(WriterMalformedError):
            await opened.complete(task(), TEAS)
