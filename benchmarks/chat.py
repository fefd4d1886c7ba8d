"""How long a question takes to its last message, offline, and how many of the held questions are answered rightly.

Beside it: how often the names alone are found by the nearest sentence vector, which is what a plain search would do.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from afield.config import LogFormat
from afield.provisioning.chat.conversation import Conversation
from afield.provisioning.chat.engine import answer
from afield.provisioning.chat.lexicon import names_of
from afield.provisioning.chat.outcomes import Understood
from afield.provisioning.chat.understand import State, understand
from afield.provisioning.datamodel import DataModel, Dimension, Measure
from afield.provisioning.embedding.embedder import Embedder, best_embedder
from afield.provisioning.query import Query
from afield.telemetry.logs import set_up_logs
from benchmarks.chat_questions import INDUSTRIES, Judged, Question, Shop, Verdict, questions, shop
from benchmarks.harness import Json, arguments, deliver, machine, say, workspace

AIM_P50_MS = 150
AIM_RIGHT = 0.9


@dataclass(slots=True)
class Tally:
    """What has been measured so far. Times are in milliseconds."""

    first: list[float]
    last: list[float]
    held: list[Judged]
    apart: list[Judged]
    named: Counter[str]


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


def compare_names(opened: Shop, found: Iterable[Judged], embedder: Embedder, tally: Tally) -> None:
    """Of questions that were rightly answered in one turn: would the nearest names have been the right ones?"""
    model = opened.agent.model
    measures = _Nearest(embedder, model.measures)
    dimensions = _Nearest(embedder, [one for one in model.dimensions if not one.time])
    for one in found:
        if one.verdict is Verdict.RIGHT and len(one.question.ask) == 1:
            reading = understand(one.question.ask[0], State(), opened.agent.known)
            if isinstance(reading, Understood):
                right = _names(reading.query, model)
                vector = embedder.vectors([one.question.ask[0]])[0]
                nearest = (measures.to(vector), dimensions.to(vector) if right[1] else "")
                tally.named["of"] += 1
                tally.named["measure"] += nearest[0] == right[0]
                tally.named["both"] += nearest == right


def _names(query: Query, model: DataModel) -> tuple[str, str]:
    """The first measure, and the first dimension that is no time, if any."""
    by = [one.dimension for one in query.breakdowns if not model.dimension(one.dimension).time]
    return query.measures[0], by[0] if by else ""


class _Nearest:
    """Names by their vectors."""

    def __init__(self, embedder: Embedder, ones: Sequence[Measure | Dimension]) -> None:
        pairs = [(one.name, name.replace("_", " ")) for one in ones for name in names_of(one)]
        self._names = [name for name, _ in pairs]
        self._vectors = embedder.vectors([text for _, text in pairs])

    def to(self, vector: np.ndarray) -> str:
        """The nearest."""
        return self._names[int(np.argmax(self._vectors @ vector))]


async def run(rounds: int, rows: int) -> Json:
    tally = Tally([], [], [], [], Counter())
    embedder = await asyncio.to_thread(best_embedder)
    with workspace() as folder:
        for industry in INDUSTRIES:
            await _judged(industry, folder, embedder, tally)
            async with shop(industry, folder / "large", rows) as opened:
                await timed(opened, questions(industry), rounds, tally)
            right = sum(one.verdict is Verdict.RIGHT for one in tally.held)
            say(f"{industry}: {right} of {len(tally.held)} right so far, p50 {statistics.median(tally.last):.0f} ms")
    return result(tally, embedder.name, rows)


async def _judged(industry: str, folder: Path, embedder: Embedder, tally: Tally) -> None:
    async with shop(industry, folder) as opened:
        found = [await opened.judge(question) for question in questions(industry)]
        tally.held += found
        tally.apart += [await opened.judge(question) for question in questions(f"{industry}-paraphrases")]
        await asyncio.to_thread(compare_names, opened, found, embedder, tally)


def result(tally: Tally, embedder: str, rows: int) -> Json:
    p50 = statistics.median(tally.last)
    return {
        "p50_ms": round(p50, 1),
        "p95_ms": round(_percentile(tally.last, 95), 1),
        "first_message_p50_ms": round(statistics.median(tally.first), 1),
        "aim_p50_ms": AIM_P50_MS,
        "answers": len(tally.last),
        "rows": rows,
        "held": _score(tally.held),
        "apart": _score(tally.apart),
        "aim_right": AIM_RIGHT,
        "nearest_names": {"embedder": embedder, **{key: tally.named[key] for key in ("of", "measure", "both")}},
        "missed": [_miss(one) for one in (*tally.held, *tally.apart) if one.verdict is not Verdict.RIGHT],
        "machine": machine(),
    }


def _score(found: Sequence[Judged]) -> Json:
    counts = Counter(one.verdict for one in found)
    share = round(counts[Verdict.RIGHT] / len(found), 4) if found else None
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
