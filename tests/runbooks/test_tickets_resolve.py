"""Which machine a ticket is about: tables, and the property that it is never a guess."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.runbooks.tickets.model import TicketIn
from afield.runbooks.tickets.resolve import resolve

SUB = "/subscriptions/0000-1/resourceGroups/shop/providers/Microsoft.Compute/virtualMachines"


@dataclass(frozen=True)
class Machine:
    name: str
    group: str = "shop"
    location: str = "westeurope"

    @property
    def remote_id(self) -> str:
        return f"{SUB.replace('/shop/', f'/{self.group}/')}/{self.name}"


WEB, DATABASE, TWIN = Machine("web-01"), Machine("DB-01"), Machine("web-01", group="staging")
ONE_EACH = [WEB, DATABASE, Machine("prod"), Machine("web-012")]


def ticket(title: str = "Disk full", description: str = "", ci_name: str | None = None, **fields: object) -> TicketIn:
    return TicketIn(
        external_id="INC1", title=title, description=description, ci_name=ci_name, fields=fields  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("what", "rule"),
    [
        (ticket(ci_name="WEB-01"), "field"),
        (ticket(cmdb_ci={"name": "web-01"}), "field"),
        (ticket(labels={"instance": "web-01:9100"}), "field"),
        (ticket(host="web-01.shop.example"), "field"),
        (ticket("Disk full on web-01"), "text: on"),
        (ticket(description="Host: web-01, disk 97 %"), "text: named"),
        (ticket("server web-01 does not answer"), "text: a machine"),
        (ticket('"web-01" is slow'), "text: quoted"),
        (ticket("[web-01] disk full"), "text: bracketed"),
        (ticket("web-01: disk full"), "text: a word with a digit or a hyphen"),
        (ticket(description=f"See {SUB}/WEB-01"), "id"),
    ],
)
def test_where_a_machine_is_named(what: TicketIn, rule: str) -> None:
    found = resolve(what, ONE_EACH)
    assert (found.remote_id, found.question) == (WEB.remote_id, "")
    last = found.steps[-1]
    assert last.rule == rule or (rule == "id" and last.rule.startswith("text"))
    assert last.result == "it is web-01"


@pytest.mark.parametrize(
    "what",
    [
        ticket(ci_name="web-0"),
        ticket(ci_name="web-013"),
        ticket("web- is down"),
        ticket("The prod environment is slow"),
        ticket("Disk full"),
        ticket(ci_name="we b-01"),
    ],
)
def test_what_is_not_the_whole_name_is_a_question(what: TicketIn) -> None:
    found = resolve(what, ONE_EACH)
    assert found.ids == ()
    assert found.question.endswith("Which one is it?") or "Similar names are" in found.question


def test_similar_names_are_told_and_never_taken() -> None:
    found = resolve(ticket(ci_name="web-011"), ONE_EACH)
    assert found.remote_id is None
    assert "Similar names are web-01, web-012" in found.question


def test_two_machines_of_one_name_are_a_question_that_tells_them_apart() -> None:
    found = resolve(ticket(ci_name="web-01"), [WEB, TWIN])
    assert found.remote_id is None
    assert len(found.ids) == 2
    assert "web-01 in shop" in found.question
    assert "web-01 in staging" in found.question


def test_a_field_goes_before_the_text_and_every_step_is_told() -> None:
    found = resolve(ticket("on web-01", ci_name="no-such-one", server="db-01"), ONE_EACH)
    assert found.remote_id == DATABASE.remote_id
    assert [(step.rule, step.looked_at) for step in found.steps] == [("field", "ci_name"), ("field", "server")]
    assert found.steps[0].result == "no machine is called so"


words = st.text(alphabet="abcdw0123-. \"'[]:/\n", max_size=60)


@given(words, words, st.none() | words, st.lists(st.text("abw01-", min_size=1, max_size=6), max_size=8))
def test_what_is_found_stands_in_the_ticket(title: str, description: str, ci: str | None, names: list[str]) -> None:
    machines = [Machine(name) for name in names]
    found = resolve(ticket(title, description, ci), machines)
    said = f"{title}\n{description}\n{ci}".casefold()
    for remote_id in found.ids:
        name = remote_id.rpartition("/")[2]
        assert name.casefold() in said
    assert bool(found.question) == (len(found.ids) != 1)
