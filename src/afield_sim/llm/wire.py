"""Answers in the words of the API: whole completions, chunks of a stream, errors. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .asked import Asked

Json = dict[str, Any]
_PIECE = 24
_LETTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model says: a content, a refusal, or the arguments of a tool."""

    number: int
    created: int
    content: str | None = None
    refusal: str | None = None
    tool: str | None = None
    arguments: str = ""
    finish: str = "stop"


def completion(asked: Asked, reply: Reply) -> Json:
    """The body of an answer that is not streamed."""
    message: Json = {"role": "assistant", "content": reply.content, "refusal": reply.refusal}
    if reply.tool:
        message["tool_calls"] = [_call(reply, reply.arguments)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish}
    return {**_head(asked, reply, "chat.completion"), "choices": [choice], "usage": usage(asked, reply)}


def chunks(asked: Asked, reply: Reply) -> Iterator[Json]:
    """The bodies of a stream's events, without the last `[DONE]`."""
    yield chunk(asked, reply, {"role": "assistant", "content": "" if reply.tool is None else None})
    if reply.tool:
        yield chunk(asked, reply, {"tool_calls": [{"index": 0, **_call(reply, "")}]})
        for piece in _pieces(reply.arguments):
            yield chunk(asked, reply, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    for name, text in (("content", reply.content), ("refusal", reply.refusal)):
        for piece in _pieces(text or ""):
            yield chunk(asked, reply, {name: piece})
    yield chunk(asked, reply, {}, reply.finish)
    if asked.stream_options.include_usage:
        yield {**_head(asked, reply, "chat.completion.chunk"), "choices": [], "usage": usage(asked, reply)}


def chunk(asked: Asked, reply: Reply, delta: Json, finish: str | None = None) -> Json:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**_head(asked, reply, "chat.completion.chunk"), "choices": [choice]}


def usage(asked: Asked, reply: Reply) -> dict[str, int]:
    """Tokens, at four letters each."""
    given = json.dumps([one.model_dump() for one in (*asked.messages, *asked.tools)])
    made = f"{reply.content or ''}{reply.refusal or ''}{reply.arguments}"
    tokens = [max(1, len(text) // _LETTERS_PER_TOKEN) for text in (given, made)]
    return {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}


def error(message: str, kind: str, code: str | None = None) -> Json:
    """The body of an error."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def event(body: Json | str) -> bytes:
    """One event on the wire."""
    return f"data: {body if isinstance(body, str) else json.dumps(body)}\n\n".encode()


def _head(asked: Asked, reply: Reply, kind: str) -> Json:
    return {
        "id": f"chatcmpl-sim-{reply.number}",
        "object": kind,
        "created": reply.created,
        "model": asked.model,
        "system_fingerprint": "fp_sim",
    }


def _call(reply: Reply, arguments: str) -> Json:
    function = {"name": reply.tool, "arguments": arguments}
    return {"id": f"call_sim_{reply.number}", "type": "function", "function": function}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]
