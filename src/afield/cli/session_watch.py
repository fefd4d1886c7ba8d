"""`afield session watch`: a session until it is over."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from rich.live import Live
from rich.text import Text

from afield.cli.run import Exit, err, out, print_json, with_kernel
from afield.cli.session_show import live_picture
from afield.diagnose.session import SessionFacts, waited_for
from afield.diagnoses import session_facts
from afield.errors import AfieldError, UnavailableError
from afield.kernel import Kernel
from afield.ledger.base import EventFilter
from afield.model.session import SESSION_FINAL, SessionState
from afield.model.target import DEFAULT_TENANT
from afield.peeks import Peeks
from afield.sessions import SessionDesk


def watch_session(session_id: int, every: float, as_json: bool) -> Exit:
    """Show the session until it is over: a picture every so many seconds, or its events as lines of JSON. OK if it
    completed; FINDINGS if it ended otherwise, or the user did not wait for its end."""

    async def work(kernel: Kernel) -> SessionState:
        await SessionDesk(kernel, DEFAULT_TENANT).get(session_id)
        if as_json:
            return await _events_until_over(kernel, session_id)
        return await _pictures_until_over(kernel, session_id, every)

    with suppress(KeyboardInterrupt):
        return Exit.OK if with_kernel(work) is SessionState.COMPLETED else Exit.FINDINGS
    err.print(f"Session {session_id} goes on without being watched.")
    return Exit.FINDINGS


async def _pictures_until_over(kernel: Kernel, session_id: int, every: float) -> SessionState:
    peeks = Peeks(kernel)
    with Live(console=out, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            try:
                facts = await session_facts(kernel, session_id, DEFAULT_TENANT)
            except UnavailableError as error:
                live.update(Text(str(error), style="yellow"), refresh=True)  # as a database does that is restarted
            else:
                live.update(live_picture(await _with_live_output(peeks, facts)), refresh=True)
                if facts.session.state in SESSION_FINAL:
                    return facts.session.state
            await asyncio.sleep(every)


async def _with_live_output(peeks: Peeks, facts: SessionFacts) -> SessionFacts:
    """The facts, and what the first step that runs has printed so far, where its remote shows that."""
    execution = waited_for(facts)
    if execution is None:
        return facts
    try:
        seen = await peeks.of(execution)
    except AfieldError:
        return facts  # the picture is drawn all the same; the step's own reason says what is wrong there
    if seen is None:
        return facts
    live = [
        replace(step, stdout=seen.stdout, stderr=seen.stderr) if step.execution_id == execution.id else step
        for step in facts.steps
    ]
    return replace(facts, steps=live)


async def _events_until_over(kernel: Kernel, session_id: int) -> SessionState:
    """All events from the first on. A session that was over and was taken up again is followed to its present end."""
    mine = EventFilter(tenant_id=DEFAULT_TENANT, session_id=session_id)
    desk = SessionDesk(kernel, DEFAULT_TENANT)
    async for event in kernel.ledger.follow(mine, after=0):
        print_json(event)
        session, _ = await desk.get(session_id)
        if session.state in SESSION_FINAL and not await kernel.ledger.events(mine, after=event.seq, limit=1):
            return session.state
    raise AssertionError("the feed of events has no end")
