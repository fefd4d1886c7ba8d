"""Sessions as products and faces use them: checked before they are recorded, changed by people's verbs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from afield.connectors.registry import check_spec
from afield.errors import ConflictError, InvalidInputError, NotFoundError
from afield.kernel import Kernel
from afield.ledger.sessions import SessionFilter, Sessions
from afield.model.session import NewSession, NewStep, Session, SessionChange, Step, StepKind, Work
from afield.model.target import Target

Verb = Callable[[Session, Sequence[Step]], SessionChange]

AnyStep = TypeVar("AnyStep", bound=NewStep)

_MOST_TRIES = 20
_MOST_STEPS = 2_000


class SessionDesk:
    """Sessions of one tenant."""

    def __init__(self, kernel: Kernel, tenant_id: UUID) -> None:
        self._kernel = kernel
        self._tenant_id = tenant_id
        self._store = Sessions(kernel.ledger.database)

    async def create(self, new: NewSession) -> tuple[Session, bool]:
        """Record a session, which a worker then advances; and whether it had been recorded before under its key.

        Raises InvalidInputError or NotFoundError naming the step that cannot be, IdempotencyError. In none of these
        cases anything is recorded.
        """
        if not new.steps or len(new.steps) > _MOST_STEPS:
            raise InvalidInputError(f"A session has 1 to {_MOST_STEPS} steps, not {len(new.steps)}.")
        targets = {target.id: target for target in await self._kernel.ledger.targets(self._tenant_id)}
        steps = tuple(_checked(step, targets) for step in new.steps)
        return await self._store.create(replace(new, steps=steps), self._kernel.clock.now())

    async def get(self, session_id: int) -> tuple[Session, list[Step]]:
        """Raises NotFoundError."""
        session = await self._store.session(session_id, self._tenant_id)
        return session, await self._store.steps(session_id)

    async def latest(self, wanted: SessionFilter, *, limit: int = 100, before: int | None = None) -> list[Session]:
        """The latest first."""
        return await self._store.sessions(wanted, limit=limit, before=before)

    async def waiting(self) -> list[tuple[Session, Step]]:
        """Steps that wait for a person."""
        return await self._store.waiting(self._tenant_id)

    async def control(self, session_id: int, verb: Verb) -> Session:
        """Do what a person asked for, on top of whatever a worker writes meanwhile. Raises what the verb raises;
        NotFoundError; ConflictError when it cannot be written for all the others that write."""
        for _ in range(_MOST_TRIES):
            session, steps = await self.get(session_id)
            changed = verb(session, steps)
            targets = await self._targets_of(changed.steps)
            changed = replace(changed, steps=tuple(_checked(step, targets) for step in changed.steps))
            written = await self._store.write(changed)
            if written is not None:
                return written
        raise ConflictError(f"Session {session_id} changes all the time.", hint="Try again.")

    async def _targets_of(self, steps: Sequence[Step]) -> dict[UUID, Target]:
        wanted = {step.target_id for step in steps if step.target_id}
        if not wanted:
            return {}
        return {target.id: target for target in await self._kernel.ledger.targets(self._tenant_id)}

    async def archive(self, session_id: int) -> None:
        """Put an ended session away. Raises NotFoundError, InvalidInputError (it is open)."""
        await self._store.archive(session_id, self._tenant_id, self._kernel.clock.now())


def _checked(step: AnyStep, targets: dict[UUID, Target]) -> AnyStep:
    """The step with its specs checked and complete. Raises InvalidInputError, NotFoundError."""
    if step.kind is not StepKind.RUN:
        return step
    if step.target_id is None or step.target_id not in targets:
        raise NotFoundError(f"Step {step.name!r} has no target that is there.", hint="See `afield targets list`.")
    return complete(step, targets[step.target_id].connector)


def complete(step: AnyStep, connector: str) -> AnyStep:
    """The step with its specs as they are recorded: checked, with defaults. Raises InvalidInputError naming it."""
    try:
        work = _work(connector, step.work)
        undo = replace(step.undo, work=_work(connector, step.undo.work)) if step.undo else None
    except InvalidInputError as error:
        raise InvalidInputError(f"Step {step.name!r}: {error.message}", hint=error.hint) from error
    return replace(step, work=work, undo=undo)


def _work(connector: str, work: Work) -> Work:
    return replace(work, spec=check_spec(connector, work.spec))
