"""200 users, ten sessions: runs a second and fairness, with leases of sessions and without.

A simulated custom container pool, whose containers are real adapters. Both sides have the same users: each asks again
as soon as it has its answer; some are greedy, and ask for many runs at once. With leases they ask Afield (a real web
process), which uses the pool's sessions again. Without, each request goes to the pool itself with an identifier of its
own, as many clients do; a session then holds its place until the cooldown is over, and who finds none asks again.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
import orjson

from afield.client import Client
from afield.connectors.session_pool.endpoint import POOLS_VERSION
from afield_sim.testing import SimulatorProcess
from afield_sim.testing.sessions import SessionsAccess, SessionsAdmin
from benchmarks.harness import Json, arguments, machine, say, server, workspace
from benchmarks.report import finish
from benchmarks.web import calling, p95, web_process

LEAST_FAIRNESS = 0.95
POOL = "benchmark"
CODE = "print(6 * 7)"
AZURE_COOLDOWN_S = 300
"""The shortest that Azure allows."""

Ask = Callable[[str], Awaitable[bool]]
"""One run for this user; False: there was no room, ask again."""


@dataclass(frozen=True, slots=True)
class Size:
    """Seconds; `greedy` users have `at_once` runs asked for at any time, the others one."""

    users: int = 200
    greedy: int = 20
    at_once: int = 10
    sessions: int = 10
    window: float = 30.0
    cooldown: int = 10
    pause: float = 2.0

    @property
    def names(self) -> list[str]:
        return [f"user-{number:03}" for number in range(self.users)]


SMALL = Size(users=12, greedy=2, at_once=4, sessions=2, window=4.0, cooldown=2, pause=0.2)


def jain(counts: Sequence[float]) -> float:
    """Jain's index: 1 when all have the same, 1/n when one has all."""
    squares = len(counts) * sum(count * count for count in counts)
    return sum(counts) ** 2 / squares if squares else 0.0


# --------------------------------------------------------------------------------------- the pool


@dataclass(frozen=True, slots=True)
class Ground:
    """The simulated pool."""

    sim: SimulatorProcess
    admin: SessionsAdmin
    session: aiohttp.ClientSession

    @property
    def access(self) -> SessionsAccess:
        return self.sim.sessions

    async def token(self, audience: str) -> str:
        """A token, from the simulated login."""
        access = self.access
        form = {
            "grant_type": "client_credentials",
            "client_id": access.client_id,
            "client_secret": access.client_secret,
            "scope": f"{audience}/.default",
        }
        tls = ssl.create_default_context(cafile=access.ca_file)
        async with self.session.post(access.token_endpoint, data=form, ssl=tls) as answer:
            return str((await answer.json())["access_token"])

    async def shape(self, size: Size) -> None:
        """So many sessions at most, and so short a cooldown."""
        await self.admin.settings(min_cooldown_s=1)
        lifecycle = {"lifecycleType": "Timed", "cooldownPeriodInSeconds": size.cooldown}
        change = {
            "scaleConfiguration": {"maxConcurrentSessions": size.sessions, "readySessionInstances": 1},
            "dynamicPoolConfiguration": {"lifecycleConfiguration": lifecycle},
        }
        url = f"{self.access.arm_base_url}{self.access.custom.resource_id}?api-version={POOLS_VERSION}"
        headers = {"Authorization": f"Bearer {await self.token('https://management.azure.com')}"}
        async with self.session.patch(url, json={"properties": change}, headers=headers) as answer:
            if answer.status >= 400:
                raise RuntimeError(f"the pool was not changed: {await answer.text()}")

    async def runs(self) -> int:
        """How many programs ran, as the adapters tell."""
        sessions = (await self.admin.counts(self.access.custom.name))["runs"]
        return sum(times for ran in sessions.values() for times in ran.values())


@asynccontextmanager
async def ground(size: Size) -> AsyncIterator[Ground]:
    """A simulator of its own, whose containers know Python alone and have a lane for each run."""
    os.environ |= {"AFIELD_SANDBOX_LANGUAGES": "python", "AFIELD_SANDBOX_LANES": "1"}
    with workspace() as folder:
        folder.chmod(0o755)
        async with (
            SimulatorProcess(folder / "sim", "--instances", "1", keep_data=False) as sim,
            calling() as session,
        ):
            made = Ground(sim, SessionsAdmin(session, str(sim.ready["admin"]["base_url"])), session)
            await made.shape(size)
            try:
                yield made
            finally:
                await asyncio.to_thread(sim.stop)


# --------------------------------------------------------------------------------------- the two ways


@asynccontextmanager
async def leased(some: Ground, size: Size) -> AsyncIterator[Ask]:
    """Through Afield, which leases sessions."""
    access = some.access
    with workspace() as folder:
        folder.chmod(0o755)
        async with server(folder / "postgres") as postgres, web_process(postgres, folder / "home") as web:
            async with Client(web.url) as client:
                secret = {name: getattr(access, name) for name in ("tenant_id", "client_id", "client_secret")}
                await client.add_credential("benchmark", "session_pool", secret)
                await client.add_target(
                    POOL,
                    "session_pool",
                    {
                        "pool_id": access.custom.resource_id,
                        "management_url": access.arm_base_url,
                        "authority_url": access.authority,
                        "ca_file": access.ca_file,
                    },
                    settings={"sessions": size.sessions},
                    credential="benchmark",
                )
            body = orjson.dumps({"language": "python", "version": "*", "files": [{"content": CODE}]})

            async def ask(user: str) -> bool:
                headers = {"Content-Type": "application/json", "X-Afield-User": user}
                url = f"{web.url}/api/v2/execute?pool={POOL}"
                async with some.session.post(url, data=body, headers=headers) as answer:
                    told = orjson.loads(await answer.read())
                    return _ran(answer.status, told, (told.get("run") or {}).get("stdout"))

            yield ask


@asynccontextmanager
async def unleased(some: Ground, _: Size) -> AsyncIterator[Ask]:
    """At the pool itself, with an identifier for each request."""
    headers = {"Authorization": f"Bearer {await some.token(some.access.audience)}", "Content-Type": "application/json"}
    body = orjson.dumps({"language": "python", "files": [{"content": CODE}]})

    async def ask(_user: str) -> bool:
        url = f"{some.access.custom.endpoint}/runs?identifier={uuid4().hex}"
        async with some.session.post(url, data=body, headers=headers) as answer:
            data = await answer.read()
            if answer.status in {404, 429, 502}:
                return False
            told = orjson.loads(data)
            return _ran(answer.status, told, (told.get("result") or {}).get("stdout"))

    yield ask


def _ran(status: int, told: Json, stdout: object) -> bool:
    if status != 200 or stdout != "42\n":
        raise RuntimeError(f"a run was answered with {status}: {told}")
    return True


# --------------------------------------------------------------------------------------- the users


@dataclass(slots=True)
class Tally:
    """What the users got within the window."""

    size: Size
    runs: Counter[str] = field(default_factory=Counter)
    waited_ms: list[float] = field(default_factory=list)
    refused: int = 0

    def summary(self) -> Json:
        by_user = [self.runs[name] for name in self.size.names]
        waited = self.waited_ms
        total = sum(by_user)
        return {
            "runs": total,
            "per_s": round(total / self.size.window, 2),
            "fairness": round(jain(by_user), 4),
            "least_and_most": [min(by_user), max(by_user)],
            "users_without_a_run": by_user.count(0),
            "refused": self.refused,
            "p50_s": round(statistics.median(waited) / 1000, 2) if waited else None,
            "p95_s": round(p95(waited) / 1000, 2) if waited else None,
        }


async def crowd(ask: Ask, size: Size) -> Tally:
    """All users at once, until the window is over. What is under way then does not count."""
    tally, over = Tally(size), time.monotonic() + size.window

    async def one(user: str) -> None:
        while (began := time.monotonic()) < over:
            while not await ask(user):
                tally.refused += 1
                await asyncio.sleep(size.pause)
            if time.monotonic() < over:
                tally.runs[user] += 1
                tally.waited_ms.append(1000 * (time.monotonic() - began))

    asking = [
        asyncio.create_task(one(name))
        for number, name in enumerate(size.names)
        for _ in range(size.at_once if number < size.greedy else 1)
    ]
    done, late = await asyncio.wait(asking, timeout=size.window + 5)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        task.result()
    return tally


async def measure(size: Size) -> Json:
    """Both ways, each with a pool of its own; the sessions are there before the window begins, where they stay."""
    found: dict[str, Json] = {}
    for name, way in (("leased", leased), ("unleased", unleased)):
        async with ground(size) as some, way(some, size) as ask:
            if name == "leased":
                await asyncio.gather(*(ask(f"early-{number}") for number in range(2 * size.sessions)))
            before = await some.runs()
            tally = await crowd(ask, size)
            found[name] = tally.summary() | {"runs_at_the_adapters": await some.runs() - before}
        say(f"{name}: {found[name]}")
    return result(found, size)


def result(found: dict[str, Json], size: Size) -> Json:
    """The figures, and what they are to each other."""
    leases, each = found["leased"], found["unleased"]
    by_formula = size.sessions / size.cooldown
    return {
        "benchmark": "leases",
        **found,
        "users": size.users,
        "greedy": {"users": size.greedy, "at_once": size.at_once},
        "sessions": size.sessions,
        "window_s": size.window,
        "cooldown_s": size.cooldown,
        "sustained_by_formula_per_s": round(by_formula, 3),
        "sustained_at_azure_per_s": round(size.sessions / AZURE_COOLDOWN_S, 4),
        "times_as_many": round(leases["per_s"] / each["per_s"], 1) if each["per_s"] else None,
        "times_as_many_at_azure": round(leases["per_s"] * AZURE_COOLDOWN_S / size.sessions),
        "aims": {"fairness": leases["fairness"] >= LEAST_FAIRNESS},
        "machine": machine(),
    }


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    finish("leases", asyncio.run(measure(SMALL if options.small else Size())), options)


if __name__ == "__main__":
    main()
