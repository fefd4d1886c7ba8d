"""What an adapter says of runs, asked in as few calls as it takes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

from afield.connectors.adapter.client import AdapterClient
from afield.connectors.adapter.reply import NoReply, Reply
from afield.connectors.adapter.wire import Run, UnreadableError, parse_listing, parse_memory, parse_run
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason

_FEW = 2
"""Up to so many runs are asked about one by one, which brings their results; of more, a listing is had."""

NO_SUCH_RUN = "no_such_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The runs an adapter knows, of those asked about at least; each one it accepted since `remembers_since`."""

    runs: Mapping[str, Run] = field(default_factory=dict)
    remembers_since: datetime | None = None
    boot: str = ""
    calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """Nothing was seen, and why."""

    reason: Reason
    retry_after: timedelta | None = None
    calls: int = 0


async def see(client: AdapterClient, identifier: str, run_ids: Sequence[str], now: datetime) -> Sight | Blind:
    """Look at these runs of one session. Raises CredentialError."""
    if len(run_ids) > _FEW:
        return await see_all(client, identifier, now)
    runs: dict[str, Run] = {}
    since: list[datetime] = []
    boot = ""
    for number, run_id in enumerate(run_ids, 1):
        answer = await client.call("GET", run_path(run_id), identifier)
        reach(FaultPoint.DURING_LOOK)
        try:
            found = found_run(answer)
        except UnreadableError as error:
            return _blind(answer, str(error), number, now)
        assert isinstance(answer, Reply), "anything else is unreadable"
        if found is not None:
            runs[run_id] = found
        elif (remembered := parse_memory(answer.json())) is not None:
            since.append(remembered)
        if boot not in {"", answer.boot}:
            return _blind(answer, "the session changed hands meanwhile", number, now)
        boot = answer.boot
    return Sight(runs=runs, remembers_since=max(since, default=None), boot=boot, calls=len(run_ids))


async def see_all(client: AdapterClient, identifier: str, now: datetime) -> Sight | Blind:
    """Look at all runs of one session. Raises CredentialError."""
    answer = await client.call("GET", "/runs", identifier)
    reach(FaultPoint.DURING_LOOK)
    try:
        if isinstance(answer, NoReply) or not answer.ours or answer.status != 200:
            raise UnreadableError("no listing")
        listing = parse_listing(answer.json())
    except UnreadableError as error:
        return _blind(answer, str(error), 1, now)
    runs = {run.run_id: run for run in listing.runs}
    return Sight(runs=runs, remembers_since=listing.remembers_since, boot=answer.boot, calls=1)


def run_path(run_id: str) -> str:
    return f"/runs/{quote(run_id, safe='')}"


def found_run(answer: Reply | NoReply) -> Run | None:
    """The run in an answer about it; None when the adapter denies it. Raises UnreadableError for anything else."""
    if isinstance(answer, NoReply):
        raise UnreadableError(answer.text)
    if answer.ours and answer.status in {200, 202}:
        return parse_run(answer.json())
    if answer.ours and answer.status == 404 and answer.error()[0] == NO_SUCH_RUN:
        return None
    raise UnreadableError(answer.error()[1] or "not an answer about a run")


def _blind(answer: Reply | NoReply, why: str, calls: int, now: datetime) -> Blind:
    if isinstance(answer, NoReply):
        return Blind(reason=Reason("no_reply", f"Not looked: {answer.text}."), calls=calls)
    text = f"Not looked: the pool answers {answer.status} ({why})."
    return Blind(reason=Reason(f"http_{answer.status}", text), retry_after=answer.patience(now), calls=calls)


class Remembered:
    """Runs that have ended, with their results, so that what a look brought is not asked for again. Losing one costs a
    call."""

    def __init__(self, most: int = 256, most_bytes: int = 32 * 1024 * 1024) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._runs: OrderedDict[str, Run] = OrderedDict()

    def learn(self, handle: str, run: Run) -> None:
        if not run.over or run.result is None or _size(run) > self._most_bytes:
            return
        self.take(handle)
        self._runs[handle] = run
        self._bytes += _size(run)
        while len(self._runs) > self._most or self._bytes > self._most_bytes:
            self.take(next(iter(self._runs)))

    def take(self, handle: str) -> Run | None:
        """The run, which is then forgotten."""
        run = self._runs.pop(handle, None)
        if run is not None:
            self._bytes -= _size(run)
        return run


def _size(run: Run) -> int:
    result = run.result
    return 0 if result is None else 4 * (len(result.stdout) + len(result.stderr) + len(result.output)) + 1024
