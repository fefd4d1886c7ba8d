"""The place for a language model: it fills the same typed plan, is checked like anybody, and never writes SQL."""

from __future__ import annotations

import asyncio
from typing import Protocol, TypeAlias

import structlog

from afield.errors import AfieldError
from afield.provisioning.chat.lexicon import Kind
from afield.provisioning.chat.outcomes import Ask, Option, Outside, Reading, Understood
from afield.provisioning.chat.saying import said, understood
from afield.provisioning.chat.suggesting import options
from afield.provisioning.chat.understand import Known, State, understand
from afield.provisioning.query import Operator, Query
from afield.provisioning.semantic.check import check
from afield.provisioning.semantic.errors import QueryError

_log = structlog.get_logger(__name__)
_EQUAL = frozenset({Operator.IS, Operator.IS_NOT})
Planned: TypeAlias = Query | Ask | Outside


class Planner(Protocol):
    """Reads a question as a query, or says that it has to ask, or that it lies outside."""

    async def plan(self, question: str, known: Known, state: State) -> Planned:
        """Raises AfieldError when it cannot: the offline way is taken then."""
        ...


async def planned(planner: Planner, question: str, known: Known, state: State, seconds: float) -> Reading:
    """What the planner makes of a question, as far as it holds. A plan that does not becomes a question back."""
    try:
        async with asyncio.timeout(seconds):
            plan = await planner.plan(question, known, state)
        return _checked(plan, known)
    except QueryError as error:
        _log.warning("plan_refused", reason=error.code)
        return _asked(await asyncio.to_thread(understand, question, state, known))
    except (AfieldError, TimeoutError) as error:
        _log.warning("planner_failed", error=type(error).__name__)
        return await asyncio.to_thread(understand, question, state, known)


def _checked(plan: Planned, known: Known) -> Reading:
    """Raises QueryError for a query that the model cannot answer."""
    if isinstance(plan, Query):
        check(plan, known.model)
        _check_values(plan, known)
        return Understood(
            query=plan, wording=said(plan, known.model), shown=understood(plan, known.model), confidence=1.0
        )
    if isinstance(plan, Outside):
        offers = options((one.query for one in plan.suggestions), known.model)
        return plan.model_copy(update={"suggestions": offers})
    offers = options((one.query for one in plan.options), known.model)
    if not offers:
        raise QueryError("None of the options can be answered.")
    return plan.model_copy(update={"options": offers})


def _check_values(query: Query, known: Known) -> None:
    """A value that the data is known not to have would give an empty answer that looks like one."""
    terms = {(one.name, one.value) for one in known.lexicon.terms if one.kind is Kind.VALUE}
    for condition in query.filters:
        if condition.field in known.sizes and condition.operator in _EQUAL:
            for value in condition.values:
                if isinstance(value, str) and (condition.field, value) not in terms:
                    raise QueryError(f"{condition.field} has no value {value}.")


def _asked(reading: Reading) -> Reading:
    """What was understood without the planner is no more than a proposal now."""
    if not isinstance(reading, Understood):
        return reading
    return Ask(question="Is this what you mean?", options=(Option(wording=reading.wording, query=reading.query),))
