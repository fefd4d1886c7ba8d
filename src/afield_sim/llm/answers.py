"""What the model can be told to answer, and to which requests."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class When(BaseModel):
    """Which requests an answer is for; all that is named has to fit."""

    model_config = ConfigDict(extra="forbid")

    contains: str | None = Field(default=None, description="A text in any of the messages.")
    tool: str | None = Field(default=None, description="The name of a tool that is offered.")
    model: str | None = None
    stream: bool | None = None


class Told(BaseModel):
    """Base of all answers. `times`: how many requests get it; none: every one from then on."""

    model_config = ConfigDict(extra="forbid")

    when: When = When()
    times: int | None = Field(default=1, ge=1)
    delay_seconds: float = Field(default=0, ge=0, le=300)


class Filled(Told):
    """Good JSON of the schema that was asked for; words, if none was."""

    kind: Literal["filled"] = "filled"


class Said(Told):
    """This value, as the arguments of the tool or as the content."""

    kind: Literal["said"]
    value: Any


class Text(Told):
    """This text, whatever was asked for."""

    kind: Literal["text"]
    text: str


class Malformed(Told):
    """JSON that is none, where JSON was asked for."""

    kind: Literal["malformed"]
    text: str = '{"names": ["Amber Bay", "Birch'


class Refusal(Told):
    """The model will not: `refusal` beside an empty content, or with `filtered` a content filter's end."""

    kind: Literal["refusal"]
    text: str = "I cannot help with that."
    filtered: bool = False


class Failure(Told):
    """An error of the server."""

    kind: Literal["failure"]
    status: int = Field(default=500, ge=400, le=599)
    message: str = "The server had an error while processing your request."
    code: str | None = None


class Throttled(Told):
    """429. `retry_after`: the header, in seconds; none: no header. `quota`: nothing is left to be spent."""

    kind: Literal["throttled"]
    retry_after: float | None = 1
    quota: bool = False


class Endless(Told):
    """An answer that never ends: `chunk` characters every `pause_seconds`, as a stream or as one body."""

    kind: Literal["endless"]
    chunk: int = Field(default=64, ge=1, le=1_000_000)
    pause_seconds: float = Field(default=0.01, ge=0, le=10)


class Cut(Told):
    """The connection ends in the middle of the answer."""

    kind: Literal["cut"]


Answer: TypeAlias = Annotated[
    Filled | Said | Text | Malformed | Refusal | Failure | Throttled | Endless | Cut, Field(discriminator="kind")
]
