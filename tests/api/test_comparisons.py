"""A web process shows the last comparison, whoever made it, and says when it was not complete."""

from __future__ import annotations

from web_world import Web, a_target

from afield.config import Settings
from afield.kernel import Kernel, Order, open_kernel
from afield.testing.faults import Fault
from afield.testing.remote import MemoryRemote

LAST = {"target": "north", "fresh": False}


async def test_what_another_process_saw(web: Web, kernel: Kernel, settings: Settings, remote: MemoryRemote) -> None:
    await a_target(kernel, remote)
    await kernel.submit(Order(target="north", spec={"seconds": 0}, labels={"workflow_id": "w"}))
    problem = await web.problem("POST", "/api/v1/reconcile", LAST)
    assert "not compared yet" in problem["detail"]
    await remote.submit("somebody-elses", {})
    async with open_kernel(settings) as elsewhere:
        scanned = await elsewhere.scan(await elsewhere.find_target("north"))
    shown = (await web.post("/api/v1/reconcile", LAST)).json
    assert shown["looked"]["complete"] is True
    assert shown["counts"] == {str(kind): count for kind, count in scanned.counts.items()}
    assert shown["counts"]["remote_only"] == 1
    assert remote.calls["page"] == 1


async def test_an_incomplete_look_says_so_in_every_process(
    web: Web, kernel: Kernel, settings: Settings, remote: MemoryRemote
) -> None:
    await a_target(kernel, remote)
    await remote.submit("somebody-elses", {})
    await web.post("/api/v1/reconcile", LAST | {"fresh": True})
    remote.faults.arm(Fault.LISTING_CUT, 1)
    async with open_kernel(settings) as elsewhere:
        await elsewhere.scan(await elsewhere.find_target("north"))
    shown = (await web.post("/api/v1/reconcile", LAST)).json
    assert (shown["looked"]["complete"], shown["looked"]["error"]) == (False, "the connection was reset")
    assert shown["counts"]["remote_only"] == 0
