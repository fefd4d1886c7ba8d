"""The checks that find out why a session pool does not run code, from the ground up.

They change nothing, but for one thing that is said and undone: whether the adapter answers can only be asked in a
session. All diagnoses of a target use one identifier of their own, never one of somebody's; when it has no session
yet, asking allocates one, which is stopped after that. When the pool is full, or no container can start, that is not
asked.
`snippet` runs code, so it is made only when it is asked for by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import uuid4

from afield.connectors.base import Check, CheckResult
from afield.connectors.session_pool import remedies
from afield.connectors.session_pool.blame import Speaker, blame
from afield.connectors.session_pool.checks import failed, ok, skipped
from afield.connectors.session_pool.checks_adapter import (
    judge_adapter,
    judge_languages,
    judge_snippet,
    snippet_execution,
    snippet_run,
)
from afield.connectors.session_pool.checks_role import AUTHORIZATION_VERSION, Role, judge_role, read_role
from afield.connectors.session_pool.checks_session import (
    INTERPRETER_VERSION,
    Guest,
    Visit,
    judge_answer,
    judge_platform,
    told_session,
)
from afield.connectors.session_pool.evidence import Answer, NoAnswer, PoolKind, PoolProbe, Reply, form_of
from afield.connectors.session_pool.evidence_pool import PoolView, parse_pool
from afield.connectors.session_pool.remedies import Situation
from afield.connectors.session_pool.remedies_commands import PATCH_VERSION, console_log
from afield.connectors.session_pool.resource_checks import (
    judge_capacity,
    judge_endpoint,
    judge_kind,
    judge_port,
    judge_state,
    judge_template,
    judge_unreadable,
)
from afield.connectors.session_pool.token_checks import Claims, judge_token, read_claims

_RUN_S = 20.0
_NO_RESOURCE = "The pool's resource could not be read, so nothing is known of this."
_NO_ENDPOINT = "Nobody told where the pool's endpoint is."
_NO_ADAPTER = "Azure's own interpreter runs there, and no adapter."


def rungs(pool: PoolProbe, *, pause_s: float = 1.0) -> Sequence[Check]:
    """The ladder of one pool. `pause_s` seconds lie between two questions for the same thing."""
    climb = _Rungs(pool, pause_s)
    open_door = ("reachable", "endpoint_kind", "token")
    return (
        Check(name="pool", probe=climb.pool),
        Check(name="reachable", probe=climb.reachable),
        Check(name="endpoint_kind", probe=climb.endpoint_kind, needs=("reachable",)),
        Check(name="endpoint", probe=climb.endpoint, needs=("pool",)),
        Check(name="token", probe=climb.token),
        Check(name="role", probe=climb.role, needs=("token",)),
        Check(name="target_port", probe=climb.target_port, needs=("pool",)),
        Check(name="template", probe=climb.template, needs=("pool",)),
        Check(name="capacity", probe=climb.capacity, needs=("pool",)),
        Check(name="platform", probe=climb.platform, needs=open_door),
        Check(name="answer", probe=climb.answer, needs=("platform",)),
        Check(name="adapter", probe=climb.adapter, needs=("answer",)),
        Check(name="languages", probe=climb.languages, needs=("adapter",)),
        Check(name="snippet", probe=climb.snippet, needs=("platform",), intrusive=True),
    )


class _Rungs:
    """The probes. Each can be run by itself; what one has read, the others use."""

    def __init__(self, pool: PoolProbe, pause_s: float) -> None:
        self._pool = pool
        self._place = pool.place
        self._pause_s = pause_s
        self._resource: Reply | None = None
        self._claims: Claims | None = None
        self._role = Role()
        self._guest: Guest | None = None
        self._visit: Visit | None = None

    # ------------------------------------------------------------------ what Azure says of the pool

    async def pool(self) -> CheckResult:
        reply = await self._read()
        view = self._view
        if reply is None:
            return skipped("The target names an endpoint alone.", "give it pool_id, too, to have its resource checked")
        return judge_unreadable(reply, self._now()) if view is None else judge_state(view, self._now())

    async def endpoint(self) -> CheckResult:
        return await self._judged(judge_endpoint)

    async def target_port(self) -> CheckResult:
        return await self._judged(judge_port)

    async def template(self) -> CheckResult:
        return await self._judged(judge_template)

    async def capacity(self) -> CheckResult:
        return await self._judged(judge_capacity)

    async def _judged(self, judge: Callable[[PoolView, Situation], CheckResult]) -> CheckResult:
        await self._read()
        view = self._view
        return skipped(_NO_RESOURCE) if view is None else judge(view, self._now())

    # ------------------------------------------------------------------ the way there

    async def reachable(self) -> CheckResult:
        endpoint = await self._endpoint()
        if not endpoint:
            return skipped(_NO_ENDPOINT)
        asked = f"DNS, a connection and, for https, a handshake with {endpoint.partition('://')[2].partition('/')[0]}"
        silence = await self._pool.connect(endpoint)
        if silence is None:
            return ok(asked, "connected")
        return failed(asked, silence.text, remedies.remedy(blame(silence), self._now()))

    async def endpoint_kind(self) -> CheckResult:
        endpoint = await self._endpoint()
        return judge_kind(endpoint, self._now()) if endpoint else skipped(_NO_ENDPOINT)

    async def token(self) -> CheckResult:
        self._claims = read_claims(await self._pool.token())
        return judge_token(self._claims, self._pool.now(), self._place.audience)

    async def role(self) -> CheckResult:
        scope = self._place.arm_id
        if scope is None:
            return skipped("The target names an endpoint alone, so no role can be looked up.")
        path, version = f"{scope}/providers/Microsoft.Authorization", {"api-version": AUTHORIZATION_VERSION}
        who = self._claims.object_id if self._claims is not None else ""
        mine = version | {"$filter": f"assignedTo('{who}')"}
        assignments = await self._pool.arm(f"{path}/roleAssignments", mine) if who else None
        self._role = read_role(assignments, await self._pool.arm(f"{path}/permissions", version))
        return judge_role(self._role, self._now(), self._pool.now())

    # ------------------------------------------------------------------ who answers

    async def platform(self) -> CheckResult:
        guest = await self._door()
        return skipped(_NO_ENDPOINT) if guest is None else judge_platform(await guest.look(), self._now())

    async def answer(self) -> CheckResult:
        guest = await self._door()
        view = self._view
        if guest is None or self._kind() is PoolKind.INTERPRETER:
            return skipped(_NO_ENDPOINT if guest is None else _NO_ADAPTER)
        if view is not None and not guest.here and view.full:
            return skipped("Not asked: every place is taken, and one that comes free is not ours to take.")
        if view is not None and not guest.here and view.lifeless:
            return skipped("Not asked: no container can start that could answer.")
        self._visit = await guest.knock()
        return judge_answer(self._visit, self._now())

    async def adapter(self) -> CheckResult:
        guest, visit = self._guest, self._visit
        if guest is None or visit is None or visit.blame.speaker is not Speaker.ADAPTER:
            return skipped("The adapter was not met.")
        ready = await guest.readiness(visit)
        found = judge_adapter(visit.health, ready, self._restart())
        return replace(found, answered=f"{found.answered}. {told_session(visit)}")

    async def languages(self) -> CheckResult:
        visit = self._visit
        if visit is None or visit.ready is None:
            return skipped("The adapter was not met.")
        return judge_languages(visit.ready, self._restart())

    async def snippet(self) -> CheckResult:
        guest = await self._door()
        if guest is None:
            return skipped(_NO_ENDPOINT)
        if self._kind() is PoolKind.INTERPRETER:
            return await self._execute(guest)
        if self._visit is None or self._visit.blame.speaker is not Speaker.ADAPTER:
            return skipped("Not run: it was not the adapter that answered.")
        return await self._run(guest)

    async def _run(self, guest: Guest) -> CheckResult:
        """A snippet at the adapter. When its answer is lost, the adapter knows the run by its id."""
        run_id, wait = f"diagnosis-{uuid4().hex}", {"wait": f"{_RUN_S:g}"}
        found: Reply | None = None
        async with guest.staying():
            reply = await guest.ask("POST", "/runs", wait, snippet_run(run_id), patience_s=2 * _RUN_S)
            if isinstance(reply, NoAnswer):
                found = await guest.ask("GET", f"/runs/{run_id}", wait, patience_s=2 * _RUN_S)
        return judge_snippet("POST /runs: a line of Python", reply, self._restart(), found=found)

    async def _execute(self, guest: Guest) -> CheckResult:
        """A snippet at Azure's own interpreter."""
        version = {"api-version": INTERPRETER_VERSION}
        async with guest.staying():
            reply = await guest.ask("POST", "/executions", version, snippet_execution(), patience_s=2 * _RUN_S)
        return judge_snippet("POST /executions: a line of Python", reply, self._restart())

    # ------------------------------------------------------------------ what was read

    async def _read(self) -> Reply | None:
        """The pool's resource, read once; None when the target does not tell which it is."""
        if self._resource is None and self._place.arm_id is not None:
            self._resource = await self._pool.arm(self._place.arm_id, {"api-version": PATCH_VERSION})
        return self._resource

    @property
    def _view(self) -> PoolView | None:
        reply = self._resource
        return parse_pool(reply.json()) if isinstance(reply, Answer) and reply.ok else None

    async def _endpoint(self) -> str:
        await self._read()
        view = self._view
        return (self._place.endpoint or (view.endpoint if view is not None else "")).rstrip("/")

    async def _door(self) -> Guest | None:
        endpoint = await self._endpoint()
        if self._guest is None and endpoint:
            self._guest = Guest(self._pool, endpoint, self._kind(), self._pause_s)
        return self._guest

    def _kind(self) -> PoolKind:
        """By the resource, else by the target, else by the form of the endpoint."""
        told = self._view.kind if self._view is not None else None
        return told or self._place.kind or form_of(self._place.endpoint or "")

    def _now(self) -> Situation:
        view = self._view
        return Situation(
            place=self._place,
            endpoint=self._place.endpoint or (view.endpoint if view is not None else ""),
            view=view,
            claims=self._claims,
            role_given=self._role.given is True,
            role_since=self._role.since,
        )

    def _restart(self) -> str:
        """What starts the container anew, for a session that is in a bad way."""
        return f"Read the container's log with `{console_log(self._now().pool)}`; a new session gets a new container."
