"""How long a question takes to its last message, offline, and how many of the held questions are answered rightly.

Beside it a plain search: the nearest golden question by its sentence vector is run in place of the question.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from afield.config import LogFormat
from afield.provisioning.chat.conversation import Conversation
from afield.provisioning.chat.engine import answer
from afield.provisioning.chat.showing import result_of
from afield.provisioning.embedding.embedder import Embedder, best_embedder
from afield.provisioning.query import GoldenQuestion
from afield.provisioning.semantic.execute import execute
from afield.telemetry.logs import set_up_logs
from benchmarks.chat_questions import INDUSTRIES, STRANGERS, TODAY, Judged, Question, Shop, Verdict, questions, shop
from benchmarks.harness import Json, arguments, deliver, machine, say, workspace

AIM_P50_MS = 150
AIM_RIGHT = 0.9


@dataclass(slots=True)
class Tally:
    """What has been measured so far. Times are in milliseconds."""

    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    held: list[Judged] = field(default_factory=list)
    strangers: list[Judged] = field(default_factory=list)
    searched: list[Judged] = field(default_factory=list)
    searches: list[float] = field(default_factory=list)


class Search:
    """Finds the golden question that is most like another one."""

    def __init__(self, embedder: Embedder, golden: Sequence[GoldenQuestion]) -> None:
        self._embedder = embedder
        self._golden = golden
        self._vectors = embedder.vectors([one.text for one in golden])

    def nearest(self, text: str) -> GoldenQuestion:
        """By the cosine of their sentence vectors."""
        return self._golden[int(np.argmax(self._vectors @ self._embedder.vectors([text])[0]))]


async def timed(opened: Shop, asked: Sequence[Question], rounds: int, tally: Tally) -> None:
    """Ask all turns of all questions, so many times; the first round warms up."""
    for turn in range(rounds + 1):
        for question in asked:
            conversation = Conversation()
            for text in question.ask:
                times = await _times(text, conversation, opened)
                if turn:
                    tally.first.append(times[0])
                    tally.last.append(times[-1])


async def _times(text: str, conversation: Conversation, opened: Shop) -> list[float]:
    began = time.perf_counter()
    return [1000 * (time.perf_counter() - began) async for _ in answer(text, conversation, opened.agent)]


async def searched(opened: Shop, asked: Sequence[Question], search: Search, tally: Tally) -> None:
    """The nearest golden question's answer to each question's last turn: a search remembers nothing, and always finds
    something."""
    for question in asked:
        began = time.perf_counter()
        golden = await asyncio.to_thread(search.nearest, question.ask[-1])
        agent = opened.agent
        found = await execute(golden.query, agent.model, agent.warehouse, dataset=agent.dataset, today=TODAY)
        tally.searches.append(1000 * (time.perf_counter() - began))
        rows = result_of("result", found, agent.model).model_dump(mode="json", by_alias=True)
        tally.searched.append(await opened.compared(question, rows, golden.text))


async def run(rounds: int, rows: int) -> Json:
    tally = Tally()
    embedder = await asyncio.to_thread(best_embedder)
    with workspace() as folder:
        for industry in INDUSTRIES:
            asked, others = questions(industry), questions(industry + STRANGERS)
            async with shop(industry, folder) as opened:
                tally.held += [await opened.judge(question) for question in asked]
                tally.strangers += [await opened.judge(question) for question in others]
                search = await asyncio.to_thread(Search, embedder, opened.golden)
                await searched(opened, (*asked, *others), search, tally)
            async with shop(industry, folder / "large", rows) as opened:
                await timed(opened, asked, rounds, tally)
            say(f"{industry}: p50 {statistics.median(tally.last):.0f} ms so far")
    return result(tally, embedder.name, rows)


def result(tally: Tally, embedder: str, rows: int) -> Json:
    p50, held, search = statistics.median(tally.last), score(tally.held), score(tally.searched)
    return {
        "p50_ms": round(p50, 1),
        "p95_ms": round(_percentile(tally.last, 95), 1),
        "first_message_p50_ms": round(statistics.median(tally.first), 1),
        "answers": len(tally.last),
        "rows": rows,
        "held": held,
        "strangers": score(tally.strangers),
        "all": score([*tally.held, *tally.strangers]),
        "search": {"embedder": embedder, "p50_ms": round(statistics.median(tally.searches), 1), **search},
        "aims": {"p50": p50 < AIM_P50_MS, "right": held["share_right"] >= AIM_RIGHT, "none_wrong": not held["wrong"]},
        "missed": [_miss(one) for one in (*tally.held, *tally.strangers) if one.verdict is not Verdict.RIGHT],
        "machine": machine(),
    }


def score(found: Sequence[Judged]) -> Json:
    """How many went how."""
    counts = Counter(one.verdict for one in found)
    share = round(counts[Verdict.RIGHT] / len(found), 4)
    return {"questions": len(found), "share_right": share, **{verdict.value: counts[verdict] for verdict in Verdict}}


def _miss(one: Judged) -> Json:
    return {"id": one.question.id, "ask": list(one.question.ask), "verdict": one.verdict.value, "detail": one.detail}


def _percentile(values: Sequence[float], percent: int) -> float:
    return float(np.percentile(values, percent))


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    set_up_logs("ERROR", LogFormat.JSON, sys.stderr)
    found = asyncio.run(run(1, 20_000) if options.small else run(3, 100_000))
    deliver("chat", found, options)


if __name__ == "__main__":
    main()
