"""A request for a completion, as far as this server reads it."""

import json
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Schema: TypeAlias = dict[str, Any]


class Function(BaseModel):
    """A function the model may call."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    parameters: Schema = {}


class Tool(BaseModel):
    """A tool that is offered."""

    type: str = "function"
    function: Function


class Message(BaseModel):
    """One message; content is a text, or a list of parts."""

    role: str
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """All text of it."""
        if isinstance(self.content, list):
            return "\n".join(str(part.get("text", "")) for part in self.content)
        return self.content or ""


class ResponseFormat(BaseModel):
    """How the content has to look."""

    type: str
    json_schema: dict[str, Any] | None = None


class StreamOptions(BaseModel):
    """What a stream carries beside the answer."""

    include_usage: bool = False


class Asked(BaseModel):
    """The body of a request. Settings of sampling are taken and have no effect."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    tools: list[Tool] = []
    tool_choice: str | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None

    @property
    def text(self) -> str:
        """The text of all messages."""
        return "\n".join(message.text for message in self.messages)

    @property
    def called(self) -> Function | None:
        """The tool that gets called: the one named, else the first; none where none may be."""
        if not self.tools or self.tool_choice == "none":
            return None
        if isinstance(self.tool_choice, dict):
            name = self.tool_choice.get("function", {}).get("name")
            return next((tool.function for tool in self.tools if tool.function.name == name), None)
        return self.tools[0].function

    @property
    def form(self) -> Schema | None:
        """The schema of the JSON that is asked for; None for free text."""
        if self.called:
            return self.called.parameters
        if self.response_format is None or self.response_format.type == "text":
            return None
        if self.response_format.json_schema:
            found: Schema = self.response_format.json_schema.get("schema", {})
            return found
        return _schema_in(self.text) or {"type": "object"}


def _schema_in(text: str) -> Schema | None:
    """The first JSON schema of an object that is written out in a text."""
    place = text.find("{")
    while place >= 0:
        try:
            found, _ = json.JSONDecoder().raw_decode(text, place)
        except ValueError:
            found = None
        if isinstance(found, dict) and "properties" in found:
            return found
        place = text.find("{", place + 1)
    return None
