"""The scripted model server, driven by the client its API was made for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI

from afield_sim.testing import AdminError, Simulator, running_simulator

ASKED = [{"role": "user", "content": "Name two teas."}]
SCHEMA = {
    "type": "object",
    "required": ["names", "kind", "founded"],
    "properties": {
        "names": {"type": "array", "items": {"type": "string", "maxLength": 20}, "minItems": 2},
        "kind": {"enum": ["black", "green"]},
        "founded": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 1900}]},
    },
}
GOOD = {"names": ["Zinnia Haven Flint", "Aspen Haven Flint"], "kind": "black", "founded": 1900}
TOOL = {"type": "function", "function": {"name": "answer", "parameters": SCHEMA}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(instances=1, vms=0) as running:
        yield running


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=sim.llm.base_url, api_key=sim.llm.api_key, max_retries=0, timeout=5) as opened:
        yield opened


async def ask(client: AsyncOpenAI, **more):
    return await client.chat.completions.create(model="sim-writer", messages=ASKED, **more)


async def test_good_answers_fill_the_schema_that_is_asked_for(client: AsyncOpenAI):
    by_tool = (await ask(client, tools=[TOOL], tool_choice="required")).choices[0]
    assert by_tool.finish_reason == "tool_calls" and by_tool.message.tool_calls[0].function.name == "answer"
    assert json.loads(by_tool.message.tool_calls[0].function.arguments) == GOOD
    by_format = (await ask(client, response_format=FORMAT)).choices[0]
    assert by_format.finish_reason == "stop" and json.loads(by_format.message.content) == GOOD
    free = (await ask(client)).choices[0].message.content
    assert free == f"{GOOD['names'][0]}, said the model."


async def test_a_stream_says_the_same_piece_by_piece(client: AsyncOpenAI):
    arguments, ends, tokens = "", [], []
    more = {"stream": True, "stream_options": {"include_usage": True}}
    async for one in await ask(client, tools=[TOOL], **more):
        for choice in one.choices:
            arguments += "".join(call.function.arguments or "" for call in choice.delta.tool_calls or ())
            ends += [choice.finish_reason] if choice.finish_reason else []
        tokens += [one.usage.total_tokens] if one.usage else []
    assert json.loads(arguments) == GOOD and ends == ["tool_calls"] and len(tokens) == 1
    said = [one.choices[0].delta.content or "" async for one in await ask(client, stream=True)]
    assert "".join(said) == f"{GOOD['names'][0]}, said the model." and len(said) > 2


async def test_answers_are_given_in_turn_to_whom_they_are_for(sim: Simulator, client: AsyncOpenAI):
    await sim.llm_admin.tell(
        {"kind": "text", "text": "for coffee", "when": {"contains": "coffee"}},
        {"kind": "text", "text": "twice", "times": 2},
        {"kind": "text", "text": "always", "times": None},
    )
    said = [(await ask(client)).choices[0].message.content for _ in range(4)]
    assert said == ["twice", "twice", "always", "always"]
    coffee = [{"role": "user", "content": "A coffee, please."}]
    answer = await client.chat.completions.create(model="sim-writer", messages=coffee)
    assert answer.choices[0].message.content == "for coffee"
    assert (await sim.llm_admin.counters())["answers"] == {"text": 5}
    assert (await sim.llm_admin.requests())[-1]["messages"] == coffee
    await sim.llm_admin.forget()
    assert "said the model" in (await ask(client)).choices[0].message.content


async def test_bad_answers(sim: Simulator, client: AsyncOpenAI):
    await sim.llm_admin.tell({"kind": "malformed"}, {"kind": "refusal"}, {"kind": "refusal", "filtered": True})
    broken = (await ask(client, tools=[TOOL])).choices[0].message.tool_calls[0].function.arguments
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(broken)
    refused = (await ask(client, response_format=FORMAT)).choices[0].message
    assert refused.refusal == "I cannot help with that." and refused.content is None
    assert (await ask(client)).choices[0].finish_reason == "content_filter"


async def test_errors_are_those_of_the_real_one(sim: Simulator, client: AsyncOpenAI):
    await sim.llm_admin.tell(
        {"kind": "throttled", "retry_after": 7},
        {"kind": "throttled", "retry_after": None, "quota": True},
        {"kind": "failure"},
        {"kind": "cut"},
    )
    with pytest.raises(openai.RateLimitError) as throttled:
        await ask(client)
    assert throttled.value.response.headers["retry-after"] == "7" and throttled.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.RateLimitError, match="quota") as spent:
        await ask(client)
    assert "retry-after" not in spent.value.response.headers and spent.value.code == "insufficient_quota"
    with pytest.raises(openai.InternalServerError):
        await ask(client)
    with pytest.raises(openai.APIConnectionError):
        await ask(client)


async def test_a_throttled_client_comes_again(sim: Simulator, client: AsyncOpenAI):
    await sim.llm_admin.tell({"kind": "throttled", "retry_after": 0.01})
    assert (await ask(client.with_options(max_retries=1))).choices[0].message.content
    assert (await sim.llm_admin.counters())["answers"] == {"throttled": 1, "filled": 1}


async def test_an_endless_stream_is_as_long_as_one_reads(sim: Simulator, client: AsyncOpenAI):
    await sim.llm_admin.tell({"kind": "endless", "pause_seconds": 0}, {"kind": "endless"})
    heard = 0
    stream = await ask(client, stream=True)
    async for _ in stream:
        heard += 1
        if heard == 500:
            break
    await stream.close()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await ask(client)
    assert await sim.llm_admin.wait("endless", at_least=2, closed=True) == 2


async def test_a_slow_answer_is_waited_for(sim: Simulator, client: AsyncOpenAI):
    await sim.llm_admin.tell({"kind": "text", "text": "late", "delay_seconds": 30})
    with pytest.raises(openai.APITimeoutError):
        await ask(client.with_options(timeout=0.2))


async def test_keys_models_and_bodies_are_checked(sim: Simulator, client: AsyncOpenAI):
    stranger = client.with_options(api_key="wrong")
    with pytest.raises(openai.AuthenticationError):
        await ask(stranger)
    await sim.llm_admin.put_settings(check_key=False, models=["sim-writer", "other"])
    assert await ask(stranger)
    assert [one.id async for one in client.models.list()] == ["sim-writer", "other"]
    assert (await client.models.retrieve("other")).id == "other"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("none")
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        await client.chat.completions.create(model="none", messages=ASKED)
    with pytest.raises(openai.BadRequestError, match="messages"):
        await client.chat.completions.create(model="sim-writer", messages=[])
    odd = {"type": "function", "function": {"name": "odd", "parameters": {"type": "string", "pattern": "^ß{9}$"}}}
    with pytest.raises(openai.BadRequestError, match="no text comes to mind"):
        await ask(client, tools=[odd])


async def test_a_script_with_a_mistake_is_refused(sim: Simulator):
    with pytest.raises(AdminError, match="kind"):
        await sim.llm_admin.tell({"kind": "nonsense"})
    with pytest.raises(AdminError):
        await sim.llm_admin.put_settings(models=[])


async def test_reset_forgets_everything(sim: Simulator, client: AsyncOpenAI):
    await sim.llm_admin.tell({"kind": "text", "text": "never said", "times": None, "when": {"stream": True}})
    await ask(client)
    await sim.llm_admin.reset()
    assert await sim.llm_admin.counters() == {"requests": {}, "answers": {}, "tokens": {}, "open": 0}
    assert await sim.llm_admin.requests() == []
