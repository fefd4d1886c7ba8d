"""The chat's planner with a language model: it fills the typed query, which is checked like everybody's."""

from __future__ import annotations

from collections.abc import Iterator

from afield.provisioning.chat.lexicon import Kind
from afield.provisioning.chat.outcomes import Ask, Option, Outside
from afield.provisioning.chat.planner import Planned
from afield.provisioning.chat.understand import LONGEST, Known, State
from afield.provisioning.datamodel import Dimension
from afield.provisioning.llm.fence import RULE, Quoted, clipped, fenced
from afield.provisioning.llm.plans import Outcome, PlanAnswer, plan_of
from afield.provisioning.llm.port import Task, TaskKind, Writer
from afield.provisioning.llm.wording import flaw, tidy
from afield.provisioning.query import Operator, Query
from afield.provisioning.semantic.check import check
from afield.provisioning.semantic.errors import QueryError

_MOST_VALUES = 40  # of one dimension that are told
_EQUAL = frozenset({Operator.IS, Operator.IS_NOT})
_INSTRUCTIONS = f"""You turn a question about a company's data into a query plan. You compute nothing and write no SQL.
- Use only the measures and dimensions that are listed; a breakdown by time needs a grain.
- A period goes from its first day up to, not including, the day after its last. `today` is not over yet.
- A follow-up changes `last_query`; a question that stands by itself does not.
- Every condition in the question has to be in the plan. Filter by values exactly as they are listed.
- `planned`: the meaning is clear. `unclear`: it can mean several things; give them all, the likeliest as `query`.
- `outside`: the data cannot tell; give no query, and one sentence why as `reason`.
{RULE}"""
_WHY = "The data cannot tell that."


class LlmPlanner:
    """A `chat.planner.Planner`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def plan(self, question: str, known: Known, state: State) -> Planned:
        """The query that the question means, or what to ask, or that it lies outside. Raises WriterError."""
        answer = await self._writer.complete(plan_query(question, known, state), plan_of(known.model))
        queries = answer.queries
        match answer.outcome:
            case Outcome.PLANNED:
                return queries[0]
            case Outcome.UNCLEAR:
                options = tuple(Option(wording="", query=query) for query in queries)
                return Ask(question="That can be read in more than one way. Which do you mean?", options=options)
        return Outside(reason=_reason(answer.reason))


def plan_query(question: str, known: Known, state: State) -> Task[PlanAnswer]:
    """The task. An answer is sent back while the data model cannot answer it, or the data has no such value."""
    last = state.query.model_dump(mode="json", exclude_defaults=True) if state.query else None
    about: dict[str, Quoted] = {"today": known.today.isoformat(), "last_query": last}
    offered: list[Quoted] = [one.wording for one in state.offered[:5]] if state.asked else []
    if offered:
        about["asked_back_with"] = offered
    return Task(
        kind=TaskKind.PLAN_QUERY,
        instructions=_INSTRUCTIONS,
        material="\n".join(
            (
                fenced("measures", [*_measures(known)]),
                fenced("dimensions", [*_dimensions(known)]),
                fenced("conversation", about),
                fenced("question", clipped([question], letters=LONGEST, most=1)[0]),
            )
        ),
        objection=lambda answer: objection(answer, known),
    )


def objection(answer: PlanAnswer, known: Known) -> str:
    """What is wrong with a plan, in a sentence that helps to make a better one."""
    if answer.outcome is Outcome.OUTSIDE:
        return "`outside` has no query." if answer.queries else ""
    if answer.query is None:
        return f"`{answer.outcome}` needs a query."
    if answer.outcome is Outcome.UNCLEAR and not answer.others:
        return "`unclear` needs `others`: what else it may mean."
    try:
        for query in answer.queries:
            check(query, known.model)
            _check_values(query, known)
    except QueryError as error:
        return str(error)
    return ""


def _check_values(query: Query, known: Known) -> None:
    for condition in query.filters:
        values = _values(condition.field, known)
        if condition.field in known.sizes and condition.operator in _EQUAL:
            for value in condition.values:
                if isinstance(value, str) and value not in values:
                    raise QueryError(f"{condition.field} has no value {value!r}.", hint="Use one that is listed.")


def _measures(known: Known) -> Iterator[Quoted]:
    for one in known.model.measures:
        yield {
            "name": one.name,
            "label": one.label,
            "means": one.description,
            "also": list(one.synonyms),
            "of": one.fact,
        }


def _dimensions(known: Known) -> Iterator[Quoted]:
    for one in known.model.dimensions:
        found: dict[str, Quoted] = {
            "name": one.name,
            "label": one.label,
            "table": one.table,
            "also": list(one.synonyms),
        }
        yield found | ({"time": True} if one.time else _told_values(one, known))


def _told_values(dimension: Dimension, known: Known) -> dict[str, Quoted]:
    values = _values(dimension.name, known)
    if not values:
        return {}
    told: dict[str, Quoted] = {"values": values[:_MOST_VALUES]}
    return told if len(values) <= _MOST_VALUES else told | {"more_values": len(values) - _MOST_VALUES}


def _values(dimension: str, known: Known) -> list[str | bool]:
    terms = known.lexicon.terms
    found = (one.value for one in terms if one.kind is Kind.VALUE and one.name == dimension and one.value is not None)
    return list(dict.fromkeys(found))


def _reason(text: str) -> str:
    """The model's reason, if it may be shown."""
    return _WHY if flaw(tidy(text), most=300, known="") else tidy(text)
