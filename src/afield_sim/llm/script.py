"""The answers that were told, the requests that came, and how many of each."""

from collections import Counter, deque
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from .answers import Answer, Filled, When
from .asked import Asked

_KEPT = 200


class LlmSettings(BaseModel):
    """How the server is. `check_key`: requests without the key are refused."""

    model_config = ConfigDict(extra="forbid")

    check_key: bool = True
    models: list[str] = Field(default=["sim-writer", "sim-writer-small"], min_length=1)


class Script:
    """Who gets which answer: the first in the queue that is for the request; without one, a good answer."""

    def __init__(self) -> None:
        self.settings = LlmSettings()
        self.queue: list[Answer] = []
        self.asked: deque[dict[str, object]] = deque(maxlen=_KEPT)
        self.requests: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.open = 0
        self.number = 0

    def tell(self, answers: Sequence[Answer]) -> None:
        """Add to the end of the queue."""
        self.queue.extend(answers)

    def answer(self, asked: Asked) -> Answer:
        """The answer for this request; one that was for so many requests is used up."""
        self.number += 1
        self.requests[asked.model] += 1
        self.asked.append(asked.model_dump(exclude_unset=True))
        found: Answer = next((one for one in self.queue if _fits(one.when, asked)), Filled())
        if found.times is not None and found in self.queue:
            self._use(found)
        self.answers[found.kind] += 1
        return found

    def count(self, tokens: dict[str, int]) -> None:
        """Add up what an answer used."""
        self.tokens.update(tokens)

    def counters(self) -> dict[str, object]:
        """Requests by model, answers by kind, tokens, answers that are under way."""
        return {
            "requests": dict(self.requests),
            "answers": dict(self.answers),
            "tokens": dict(self.tokens),
            "open": self.open,
        }

    def total(self, kind: str | None = None) -> int:
        """Answers of a kind, or all."""
        return self.answers[kind] if kind else self.answers.total()

    def reset(self) -> None:
        """Forget answers, requests and counts."""
        self.queue.clear()
        self.asked.clear()
        for counter in (self.requests, self.answers, self.tokens):
            counter.clear()

    def _use(self, answer: Answer) -> None:
        place = next(number for number, one in enumerate(self.queue) if one is answer)
        if answer.times == 1:
            del self.queue[place]
        elif answer.times:
            answer.times -= 1


def _fits(when: When, asked: Asked) -> bool:
    return (
        (when.contains is None or when.contains in asked.text)
        and (when.tool is None or any(tool.function.name == when.tool for tool in asked.tools))
        and when.model in {None, asked.model}
        and when.stream in {None, asked.stream}
    )
