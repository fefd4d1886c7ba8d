"""From an answer that was told to what the model says. Pure."""

import json
import zlib

from .answers import Filled, Malformed, Refusal, Said, Text
from .asked import Asked
from .filling import fill, words
from .wire import Reply


def reply(asked: Asked, answer: Filled | Said | Text | Malformed | Refusal, number: int, created: int) -> Reply:
    """The reply. Raises `filling.CannotFillError`."""
    match answer:
        case Text():
            return Reply(number=number, created=created, content=answer.text)
        case Refusal(filtered=True):
            return Reply(number=number, created=created, content="", finish="content_filter")
        case Refusal():
            return Reply(number=number, created=created, refusal=answer.text)
        case Malformed() | Said():
            said = answer.text if isinstance(answer, Malformed) else json.dumps(answer.value)
            return _structured(asked, said, number, created)
    return _filled(asked, number, created)


def _filled(asked: Asked, number: int, created: int) -> Reply:
    """Of the form that was asked for; the same for the same messages."""
    seed = zlib.crc32(asked.text.encode())
    if asked.form is None:
        return Reply(number=number, created=created, content=f"{next(words(seed))}, said the model.")
    return _structured(asked, json.dumps(fill(asked.form, seed)), number, created)


def _structured(asked: Asked, text: str, number: int, created: int) -> Reply:
    """As the arguments of the tool, if one gets called; else as the content."""
    if asked.called:
        return Reply(number=number, created=created, tool=asked.called.name, arguments=text, finish="tool_calls")
    return Reply(number=number, created=created, content=text)
