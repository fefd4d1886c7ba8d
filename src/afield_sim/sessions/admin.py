"""The admin routes of session pools: look inside them, and make them misbehave. They need no credentials."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from ..admin.answering import BadAdminCallError, Handler, answering, read_object
from ..striking import EVERYWHERE
from .admin_bodies import SessionsWait
from .pool import Pool
from .pools import Pools
from .settings import SessionSettings


class SessionsAdminRoutes:
    """Everything under `/admin/sessions`."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._world = pools.world

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/faults", self.faults),
            ("PATCH", "/faults", self.add_faults),
            ("DELETE", "/faults", self.delete_faults),
            ("GET", "/settings", self.settings),
            ("PUT", "/settings", self.put_settings),
            ("GET", "/counts", self.counts),
            ("GET", "/sessions", self.sessions),
            ("POST", "/wake", self.wake),
            ("GET", "/wait", self.wait),
            ("POST", "/reset", self.reset),
        ]
        for method, path, handler in routes:
            router.add_route(method, "/admin/sessions" + path, answering(handler))

    async def faults(self, _: web.Request) -> object:
        """All faults that are set, with the counts left."""
        return self._world.faults.as_json()

    async def add_faults(self, http: web.Request) -> object:
        """Add faults to those that are set: `{pool: {fault: parameters}}`; `true` for the usual ones, null for none."""
        plan = await read_object(http)
        pools = [pool for name in plan for pool in self._chosen(None if name == EVERYWHERE else name)]
        self._world.faults.add(plan, self._world.clock.now())
        await self._meet(pools)
        return self._world.faults.as_json()

    async def delete_faults(self, http: web.Request) -> object:
        """Take back all faults, those of a pool, or one of them."""
        name, fault = http.query.get("pool"), http.query.get("fault")
        pools = self._chosen(None if name == EVERYWHERE else name)
        if name is None:
            self._world.faults.clear()
        else:
            self._world.faults.remove(name, *([fault] if fault else []))
        await self._meet(pools)
        return self._world.faults.as_json()

    async def settings(self, _: web.Request) -> object:
        """All settings."""
        return self._world.settings.model_dump()

    async def put_settings(self, http: web.Request) -> object:
        """Change the settings that are named."""
        change = await read_object(http)
        self._world.settings = SessionSettings.model_validate({**self._world.settings.model_dump(), **change})
        return self._world.settings.model_dump()

    async def counts(self, http: web.Request) -> object:
        """What happened at a pool since the start, or at all by name: runs by identifier and run id among it."""
        name = http.query.get("pool")
        shown = {pool.resource.name: await _count(pool) for pool in self._chosen(name)}
        return shown if name is None else next(iter(shown.values()))

    async def sessions(self, http: web.Request) -> object:
        """The sessions of a pool as they are, with their containers."""
        return {"sessions": [one for pool in self._chosen(http.query.get("pool")) for one in _show_sessions(pool)]}

    async def wake(self, http: web.Request) -> object:
        """Start the instances of a pool that are to wait."""
        for pool in self._chosen(http.query.get("pool")):
            pool.wake()
        return {}

    async def wait(self, http: web.Request) -> object:
        """Answer as soon as what is asked for holds, or when the time is over."""
        query = SessionsWait.model_validate(dict(http.query))
        pools = self._chosen(query.pool)
        met = await self._world.pulse.until(lambda: _number(pools, query.what) >= query.at_least, query.timeout)
        return {"met": met, "count": _number(pools, query.what)}

    async def reset(self, _: web.Request) -> object:
        """Back to the beginning."""
        await self._pools.reset()
        return {}

    async def _meet(self, pools: Sequence[Pool]) -> None:
        for pool in pools:
            await pool.meet_faults()

    def _chosen(self, name: str | None) -> list[Pool]:
        """The pool with this name, or all."""
        if name is None:
            return list(self._pools)
        pool = self._pools.find(name)
        if pool is None:
            known = ", ".join(one.resource.name for one in self._pools)
            raise BadAdminCallError(422, f"unknown pool {name!r}; there are {known}")
        return [pool]


async def _count(pool: Pool) -> Mapping[str, object]:
    runs, tally = await pool.runs(), pool.tally
    return {
        "runs": {identifier: dict(counts) for identifier, counts in runs.items()},
        "sessions": len(pool.sessions),
        "containers": {
            "ready": len(pool.instances.ready),
            "starting": pool.instances.starting,
            "started": pool.instances.started,
        },
        "allocated": dict(tally.allocated),
        "forwarded": tally.forwarded,
        "stopped": tally.stopped,
        "expired": tally.expired,
        "rejected": tally.rejected,
        "crashed": pool.crashed,
        "calls": dict(pool.world.counters.calls[pool.resource.name]),
        "faults": dict(pool.world.counters.faults[pool.resource.name]),
    }


def _number(pools: Sequence[Pool], what: str) -> int:
    return sum(_number_of(pool, what) for pool in pools) if what != "idle" else all(not one.sessions for one in pools)


def _number_of(pool: Pool, what: str) -> int:
    tally = pool.tally
    now = {
        "sessions": len(pool.sessions),
        "ready": len(pool.instances.ready),
        "crashed": pool.crashed,
        "in_flight": sum(one.in_flight for one in pool.sessions.values()),
        "allocated": tally.allocated.total(),
    }
    return now[what] if what in now else int(getattr(tally, what))


def _show_sessions(pool: Pool) -> list[Mapping[str, object]]:
    lifecycle = pool.resource.properties.lifecycle
    return [
        {
            **one.show(lifecycle),
            "pool": pool.resource.name,
            "requests": one.requests,
            "in_flight": one.in_flight,
            "container": one.container.id if one.container else None,
            "pid": one.container.process.pid if one.container else None,
        }
        for one in pool.sessions.values()
    ]
