"""Climbing a ladder of checks."""

from __future__ import annotations

import asyncio

import pytest

from afield.connectors.base import Check, CheckResult, CheckVerdict, Probe
from afield.diagnose.diagnosis import conclude, joined, to_json, to_text
from afield.diagnose.ladder import Climb, climb
from afield.diagnose.redact import redact
from afield.errors import CredentialError, InvalidInputError, LookError

V = CheckVerdict


def says(verdict: CheckVerdict = V.OK, answered: str = "yes", **more: str) -> Probe:
    async def probe() -> CheckResult:
        return CheckResult(verdict=verdict, asked="well?", answered=answered, **more)

    return probe


def raises(error: Exception) -> Probe:
    async def probe() -> CheckResult:
        raise error

    return probe


def never() -> Probe:
    async def probe() -> CheckResult:
        raise AssertionError("this check must not be made")

    return probe


async def test_all_well() -> None:
    diagnosis = await climb("target there", [Check(name="a", probe=says()), Check(name="b", probe=says())])
    assert [rung.verdict for rung in diagnosis.rungs] == [V.OK, V.OK]
    assert diagnosis.verdict is V.OK
    assert diagnosis.sentence == "Nothing is wrong with target there as far as was asked."


async def test_a_failed_rung_skips_what_stands_on_it_and_only_that() -> None:
    ladder = [
        Check(name="token", probe=says(V.FAIL, cause="The token was refused.", next_step="Connect the account again.")),
        Check(name="listing", probe=never(), needs=("token",)),
        Check(name="paging", probe=never(), needs=("listing",)),
        Check(name="clock", probe=says(V.WARN, cause="The clocks differ.")),
    ]
    diagnosis = await climb("t", ladder)
    assert [rung.verdict for rung in diagnosis.rungs] == [V.FAIL, V.SKIPPED, V.SKIPPED, V.WARN]
    assert "stands on 'token'" in diagnosis.rungs[1].result.answered
    assert diagnosis.sentence == "The token was refused; next step: connect the account again."


async def test_a_warning_skips_nothing() -> None:
    ladder = [Check(name="a", probe=says(V.WARN)), Check(name="b", probe=says(), needs=("a",))]
    assert [rung.verdict for rung in (await climb("t", ladder)).rungs] == [V.WARN, V.OK]


async def test_the_gravest_comes_first_then_the_order() -> None:
    ladder = [
        Check(name="a", probe=says(V.WARN, cause="A warning")),
        Check(name="b", probe=says(V.COULD_NOT_LOOK, cause="No answer")),
        Check(name="c", probe=says(V.FAIL, cause="The first failure")),
        Check(name="d", probe=says(V.FAIL, cause="The second failure")),
    ]
    assert (await climb("t", ladder)).sentence == "The first failure."
    assert (await climb("t", ladder[:2])).sentence == "No answer."


async def test_a_check_that_hangs_could_not_look() -> None:
    async def hang() -> CheckResult:
        await asyncio.Event().wait()
        raise AssertionError

    diagnosis = await climb("t", [Check(name="slow", probe=hang)], Climb(timeout_s=0.01))
    assert diagnosis.verdict is V.COULD_NOT_LOOK
    assert "No answer within 0.01 s" in diagnosis.sentence


@pytest.mark.parametrize(
    ("error", "verdict", "next_step"),
    [
        (CredentialError("Revoked.", hint="Connect it again."), V.FAIL, "Connect it again."),
        (LookError("No route.", hint="Look at the network."), V.COULD_NOT_LOOK, "Look at the network."),
        (ZeroDivisionError("oops"), V.COULD_NOT_LOOK, "report this as a defect"),
    ],
)
async def test_a_check_that_raises(error: Exception, verdict: CheckVerdict, next_step: str) -> None:
    ladder = [Check(name="a", probe=raises(error)), Check(name="b", probe=says())]
    diagnosis = await climb("t", ladder)
    assert [rung.verdict for rung in diagnosis.rungs] == [verdict, V.OK]
    assert diagnosis.rungs[0].result.next_step == next_step


async def test_intrusive_checks_run_only_by_name_and_only_when_nothing_runs() -> None:
    made: list[str] = []

    async def probe() -> CheckResult:
        made.append("made")
        return CheckResult(verdict=V.OK, asked="", answered="")

    ladder = [Check(name="dry-run", probe=probe, intrusive=True)]
    assert (await climb("t", ladder)).rungs[0].verdict is V.SKIPPED
    refused = await climb("t", ladder, Climb(intrusive=["dry-run"], busy=True))
    assert (refused.rungs[0].verdict, made) == (V.SKIPPED, [])
    assert "Refused" in refused.rungs[0].result.answered
    assert (await climb("t", ladder, Climb(intrusive=["dry-run"]))).rungs[0].verdict is V.OK
    assert made == ["made"]
    with pytest.raises(InvalidInputError, match="There are: dry-run"):
        await climb("t", ladder, Climb(intrusive=["dryrun"]))


@pytest.mark.parametrize(
    "ladder",
    [
        [Check(name="a", probe=never(), needs=("b",)), Check(name="b", probe=never())],
        [Check(name="a", probe=says()), Check(name="a", probe=never())],
    ],
)
async def test_a_ladder_that_does_not_stand_is_refused(ladder: list[Check]) -> None:
    with pytest.raises(ValueError, match="check 'a'"):
        await climb("t", ladder)


async def test_secrets_are_hidden_in_every_field_and_in_errors() -> None:
    secret = "hunter2-hunter2"
    leaky = {name: f"the {name} is {secret}" for name in ("answered", "cause", "next_step")}
    ladder = [Check(name="a", probe=says(V.FAIL, **leaky)), Check(name="b", probe=raises(ValueError(secret)))]
    diagnosis = await climb("t", ladder, Climb(secrets=[secret]))
    assert secret not in to_text(diagnosis) + str(to_json(diagnosis))
    assert "[hidden]" in diagnosis.sentence


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer [hidden]"),
        ("token Atzr|IwEBIJ-x_y given", "token [hidden] given"),
        ('{"refresh_token": "abcdef", "a": 1}', '{"refresh_token": "[hidden]", "a": 1}'),
        ("https://b.s3/x?X-Amz-Signature=ab12&y=1", "https://b.s3/x?X-Amz-Signature=[hidden]&y=1"),
        ("postgresql://me:pass@host/db", "postgresql://[hidden]@host/db"),
        ("client_secret=s3cret&x=1", "client_secret=[hidden]&x=1"),
        ("eyJhbGciOi.eyJzdWIi.c2ln", "[hidden]"),
        ("the design signed off at 10:30: fine", "the design signed off at 10:30: fine"),
        ("token expires in 3600 s", "token expires in 3600 s"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_whatever_its_value(text: str, clean: str) -> None:
    assert redact(text) == clean


def test_short_secrets_do_not_mask_words() -> None:
    assert redact("an apple", ["a"]) == "an apple"


async def test_the_text_ends_with_the_sentence() -> None:
    diagnosis = await climb("target there", [Check(name="token", probe=says(V.FAIL, "401", cause="Refused"))])
    lines = to_text(diagnosis).splitlines()
    assert lines[0] == "target there"
    assert "FAIL  token" in lines[1]
    assert lines[-1] == "Refused."


async def test_the_json_holds_every_rung() -> None:
    told = to_json(await climb("t", [Check(name="a", probe=says())]))
    assert told["verdict"] == "ok"
    assert isinstance(told["rungs"], list)
    [rung] = told["rungs"]
    assert isinstance(rung, dict)
    assert {name: rung[name] for name in ("name", "asked", "answered")} == {
        "name": "a",
        "asked": "well?",
        "answered": "yes",
    }


async def test_what_lies_deeper_explains_when_it_is_as_grave() -> None:
    above = await climb("execution", [Check(name="a", probe=says(V.WARN, cause="It waits"))])
    below = await climb("target", [Check(name="a", probe=says(V.FAIL, cause="The token was refused"))])
    both = joined(above, below, prefix="target")
    assert [rung.name for rung in both.rungs] == ["a", "target.a"]
    assert both.sentence == "The token was refused."
    assert joined(below, above, prefix="x").sentence == "The token was refused."
    assert joined(above, conclude("target", [], all_well="fine"), prefix="x").sentence == "It waits."
