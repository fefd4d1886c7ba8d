"""The checks that find out why an AMC target does not work, from the ground up. All of them only read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from afield.connectors.amc.answer import Answer, Failed, Reply, Trouble, error_text, json_object, reason, says_absent
from afield.connectors.amc.client import AmcClient
from afield.connectors.amc.spec import AmcAddress
from afield.connectors.amc.tokens import TokenUnavailableError
from afield.connectors.amc.wire import INSTANCES_TYPE, listing_query, parse_page, unwrapped
from afield.connectors.base import Check, CheckResult, CheckVerdict, Limits
from afield.errors import CredentialError

_READY = frozenset({"COMPLETED", "SUCCEEDED"})
_MAX_ACCOUNT_PAGES = 50
_WORTH_A_WORD = timedelta(seconds=30)  # a clock that is further off than this is worth mentioning
_ASK_AGAIN = "Ask again in a few minutes; if it stays, check base_url and Amazon's service status."


def checks(client: AmcClient, address: AmcAddress, limits: Limits) -> Sequence[Check]:
    """The ladder of one target."""
    rungs = _Rungs(client, address, limits)
    return (
        Check(name="token", probe=rungs.token),
        Check(name="instance", probe=rungs.instance, needs=("token",)),
        Check(name="entity", probe=rungs.entity, needs=("token",)),
        Check(name="listing", probe=rungs.listing, needs=("token", "entity")),
        Check(name="clock", probe=rungs.clock, needs=("token",)),
        Check(name="rate_limits", probe=rungs.rate_limits, needs=("token",)),
    )


class _Rungs:
    """The probes. Each can be run by itself."""

    def __init__(self, client: AmcClient, address: AmcAddress, limits: Limits) -> None:
        self._client = client
        self._address = address
        self._limits = limits

    # ------------------------------------------------------------------ token

    async def token(self) -> CheckResult:
        asked = f"an access token of Login with Amazon ({self._address.token_url})"
        try:
            await self._client.token()
        except CredentialError as error:
            return CheckResult(
                verdict=CheckVerdict.FAIL,
                asked=asked,
                answered=error.message,
                next_step=error.hint,
                cause=error.message,
            )
        except TokenUnavailableError as error:
            return _could_not(asked, error.message, "Login with Amazon gives no token at the moment.")
        return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered="a token")

    # ------------------------------------------------------------------ instance

    async def instance(self) -> CheckResult:
        name = self._address.instance_id
        asked = f"GET /amc/instances/{name}"
        answer = await self._get_instance()
        if isinstance(answer, Failed):
            return _unanswered(asked, answer)
        if answer.ok:
            return self._creation(asked, answer)
        said = _said(answer)
        if says_absent(answer, name) or answer.status == 404:
            return CheckResult(
                verdict=CheckVerdict.FAIL,
                asked=asked,
                answered=said,
                next_step="Compare instance_id and region of the target with the instance's page in the AMC console.",
                cause=f"AMC knows no instance {name} for this account and region.",
            )
        return _could_not(asked, said, _why_not(answer, "The instance"))

    def _creation(self, asked: str, reply: Reply) -> CheckResult:
        instance = unwrapped(reply.body, "instance") or {}
        status = instance.get("creationStatus")
        answered = f"{reply.status}, creationStatus {status or 'not told'}"
        if status in _READY or status is None:
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=answered)
        return CheckResult(
            verdict=CheckVerdict.FAIL,
            asked=asked,
            answered=answered,
            next_step="Wait until AMC has set the instance up, or ask Amazon's support if it failed.",
            cause=f"The instance {self._address.instance_id} is not ready: its creation is {status}.",
        )

    # ------------------------------------------------------------------ entity

    async def entity(self) -> CheckResult:
        entity, asked = self._address.entity_id, "GET /amc/accounts, then the instance as this account"
        accounts = await self._accounts()
        if isinstance(accounts, Failed):
            return _unanswered(asked, accounts)
        if isinstance(accounts, dict) and entity not in accounts:
            return self._no_such_account(asked, accounts)
        answer = await self._get_instance()
        if isinstance(answer, Failed):
            return _unanswered(asked, answer)
        if answer.status == 403:
            return CheckResult(
                verdict=CheckVerdict.FAIL,
                asked=asked,
                answered=_said(answer),
                next_step="Check entity_id, marketplace_id and instance_id, and the user's rights in the AMC account.",
                cause=f"The account {entity} has no right to the instance {self._address.instance_id}.",
            )
        if isinstance(accounts, Reply):
            return _could_not(asked, _said(accounts), "The list of accounts could not be read.")
        return self._marketplace(asked, accounts)

    def _no_such_account(self, asked: str, accounts: dict[str, str]) -> CheckResult:
        known = ", ".join(sorted(accounts)[:5]) or "none"
        return CheckResult(
            verdict=CheckVerdict.FAIL,
            asked=asked,
            answered=f"{len(accounts)} accounts: {known}",
            next_step="Correct entity_id, or authorise with a user who has access to that AMC account.",
            cause=f"The authorised user has no access to the AMC account {self._address.entity_id}.",
        )

    def _marketplace(self, asked: str, accounts: dict[str, str]) -> CheckResult:
        theirs, ours = accounts[self._address.entity_id], self._address.marketplace_id
        answered = f"the account is listed, with marketplace {theirs or 'not told'}"
        if theirs in {"", ours}:
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=answered)
        return CheckResult(
            verdict=CheckVerdict.WARN,
            asked=asked,
            answered=answered,
            next_step=f"Check marketplace_id of the target: it says {ours}.",
            cause=f"The account belongs to marketplace {theirs}, and the target says {ours}.",
        )

    async def _accounts(self) -> dict[str, str] | Failed | Reply:
        """The marketplace of every account the user may use; the answer itself if it cannot be read."""
        found: dict[str, str] = {}
        token: str | None = None
        for _ in range(_MAX_ACCOUNT_PAGES):
            query = {"nextToken": token} if token else None
            answer = await self._client.call("GET", self._client.accounts_url(), query=query, media="application/json")
            if isinstance(answer, Failed):
                return answer
            page = (json_object(answer.body) or {}) if answer.ok else {}
            rows = page.get("amcAccounts")
            if not isinstance(rows, list):
                return answer
            found |= {
                str(row["accountId"]): str(row.get("marketplaceId") or "")
                for row in rows
                if isinstance(row, dict) and "accountId" in row
            }
            following = page.get("nextToken")
            if not isinstance(following, str) or not following:
                break
            token = following
        return found

    # ------------------------------------------------------------------ listing

    async def listing(self) -> CheckResult:
        asked = "GET workflowExecutions of the last hour"
        answer = await self._list()
        if isinstance(answer, Failed):
            return _unanswered(asked, answer)
        page = parse_page(answer.body) if answer.ok else None
        if page is not None:
            more = " and more" if page.next_token else ""
            answered = f"{answer.status}, {len(page.entries)} executions{more}"
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=answered)
        if answer.ok:
            return _could_not(asked, "an unreadable reply", "AMC's listing is not readable.")
        if answer.status == 403:
            return CheckResult(
                verdict=CheckVerdict.FAIL,
                asked=asked,
                answered=_said(answer),
                next_step="Compare entity_id and instance_id with what the AMC console shows.",
                cause=f"AMC does not let {self._address.entity_id} list executions of {self._address.instance_id}.",
            )
        return _could_not(asked, _said(answer), _why_not(answer, "The listing"))

    # ------------------------------------------------------------------ clock

    async def clock(self) -> CheckResult:
        asked = "the Date header of AMC's replies, against this machine's clock"
        remote = self._client.remote_clock
        if remote.offset is None:
            await self._get_instance()
        if remote.offset is None:
            return _could_not(asked, "no Date header", "")
        ahead = remote.offset
        answered = f"AMC's clock is {abs(ahead).total_seconds():.0f} s {'ahead' if ahead > timedelta() else 'behind'}"
        if abs(ahead) <= _WORTH_A_WORD:
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=answered if ahead else "no difference")
        too_far = abs(ahead) > self._limits.clock_skew
        return CheckResult(
            verdict=CheckVerdict.FAIL if too_far else CheckVerdict.WARN,
            asked=asked,
            answered=answered,
            next_step="Set this machine's clock by NTP. If it is right, raise the target's setting clock_skew.",
            cause=f"The clocks differ by {abs(ahead).total_seconds():.0f} s, which blurs what is new and what is old.",
        )

    # ------------------------------------------------------------------ rate limits

    async def rate_limits(self) -> CheckResult:
        if self._client.calls == 0:
            await self._list()
        seen, calls = self._client.throttled, self._client.calls
        asked = f"the replies to the {calls} calls so far"
        if not seen:
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered="none was throttled")
        patience = self._client.patience
        wait = "without Retry-After" if patience is None else f"Retry-After {patience.total_seconds():.0f} s"
        return CheckResult(
            verdict=CheckVerdict.WARN,
            asked=asked,
            answered=f"{seen} answered 429, {wait}",
            next_step="Wait, and lower calls_per_minute or max_calls of the targets that share this account.",
            cause="AMC throttles this account: it gets more calls than Amazon allows.",
        )

    # ------------------------------------------------------------------ questions

    async def _get_instance(self) -> Answer:
        return await self._client.call("GET", self._client.instance_url(), media=INSTANCES_TYPE)

    async def _list(self) -> Answer:
        until: datetime = self._client.remote_clock.there(self._client.clock.now())
        query = listing_query(until - timedelta(hours=1), until, with_sql=False)
        return await self._client.call("GET", self._client.executions_url(), query=query)


def _said(reply: Reply) -> str:
    return f"{reply.status}: {error_text(reply) or 'an empty body'}"


def _why_not(reply: Reply, what: str) -> str:
    if reply.status == 429:
        return "AMC throttles this account."
    if reply.status == 403:
        return ""  # the entity's rung tells why
    return f"{what} could not be read: AMC answered {reply.status}."


def _could_not(asked: str, answered: str, cause: str) -> CheckResult:
    return CheckResult(
        verdict=CheckVerdict.COULD_NOT_LOOK, asked=asked, answered=answered, next_step=_ASK_AGAIN, cause=cause
    )


def _unanswered(asked: str, failed: Failed) -> CheckResult:
    if failed.trouble is Trouble.NO_TOKEN:
        return _could_not(asked, failed.text, "Login with Amazon gives no token at the moment.")
    return CheckResult(
        verdict=CheckVerdict.COULD_NOT_LOOK,
        asked=asked,
        answered=reason(failed, "The call").text,
        next_step="Check the network, proxies and base_url, then ask again.",
        cause="AMC cannot be reached from here.",
    )
