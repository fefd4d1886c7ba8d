"""The demo's third act: a contest judged in a session pool, with attacks among its submissions; then a broken pool."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from importlib import resources
from itertools import groupby
from operator import attrgetter

from afield.client import ApiError, Client
from afield.coderunner.problems import parse_problem
from afield.demo.breakages import BREAKAGES, Breakage, named
from afield.demo.canaries import Canaries
from afield.demo.cloud import Cloud
from afield.demo.crew import Crew
from afield.demo.patience import insist
from afield.demo.report import ContestReport
from afield.demo.scene import Scene
from afield.demo.submissions import USERS, Submission, handed_in
from afield.errors import UnavailableError
from afield.model.jsontypes import JsonObject

POOL = "contest"
SESSIONS = 4


class ContestAct:
    """Runs the act against a started cloud and crew, and keeps the scene."""

    def __init__(self, cloud: Cloud, crew: Crew, scene: Scene) -> None:
        self.cloud = cloud
        self.crew = crew
        self.scene = scene
        self.ran: list[str] = []  # run ids, as the adapters tell them

    async def run(self, client: Client) -> ContestReport:
        """All of it. What is not judged counts as judged wrongly."""
        await self._prepare(client)
        async with Canaries(self.crew.home.parent / "canaries") as canaries:
            wrong = await self._judge_all(client, handed_in(), canaries.bait)
            rows = [row async for row in client.executions(target=POOL)]
            counts = await self.cloud.pool_counts()
            self.ran = run_ids(counts)
            escapes = await canaries.reached(map(printed, rows)) + int(str(counts["crashed"]))
        lost = sum(not (verdict_of(row) and run_id_of(row) in self.ran) for row in rows)
        self.scene.say(f"{len(self.ran)} runs, {wrong} judged wrongly, {lost} lost, {escapes} escaped.")
        right = [await self._diagnosed(client, broken) for broken in BREAKAGES]
        return ContestReport(
            runs=len(self.ran),
            wrong_verdicts=wrong,
            runs_lost=lost,
            escapes=escapes,
            diagnoses_right=sum(right),
            diagnoses=len(right),
        )

    # ------------------------------------------------------------------ the contest

    async def _prepare(self, client: Client) -> None:
        sessions, pool = self.cloud.sessions, self.cloud.pool
        secret = {name: str(sessions[name]) for name in ("tenant_id", "client_id", "client_secret")}
        await insist(client.add_credential, "sessions", "session_pool", secret)
        address: JsonObject = {
            "pool_id": pool["resource_id"],
            "management_url": sessions["arm_base_url"],
            "authority_url": sessions["authority"],
            "ca_file": sessions["ca_file"],
        }
        settings: JsonObject = {"sessions": SESSIONS}
        await insist(client.add_target, POOL, "session_pool", address, settings=settings, credential="sessions")

    async def _judge_all(self, client: Client, submissions: Sequence[Submission], bait: JsonObject) -> int:
        """Each user hands in one program after the other. How many were not judged as they had to be."""
        attacks = sum(one.program.attack for one in submissions)
        self.scene.say(
            f"{len(USERS)} users hand in {len(submissions)} programs, {attacks} of them attacks; {SESSIONS} sessions."
        )
        self.scene.contest = {user: [] for user in USERS}
        text = resources.files("afield.demo").joinpath("root.yaml").read_text(encoding="utf-8")
        problem: JsonObject = parse_problem(text).model_dump(mode="json", exclude_none=True)
        users = groupby(sorted(submissions, key=attrgetter("user")), key=attrgetter("user"))
        async with asyncio.TaskGroup() as group:
            judging = [group.create_task(self._judge(client, problem, list(his), bait)) for _, his in users]
        return sum(task.result() for task in judging)

    async def _judge(self, client: Client, problem: JsonObject, his: Sequence[Submission], bait: JsonObject) -> int:
        wrong = 0
        for submission in his:
            code, headers = submission.program.source(bait), {"X-Afield-User": submission.user}
            body: JsonObject = {"language": "python", "code": code, "problem": problem, "pool": POOL}
            try:
                answer = await client.call("POST", "/api/v1/code/judge", body, headers=headers)
            except (ApiError, UnavailableError) as error:
                self.scene.say(f"{submission.user}: {submission.program.name} was not judged: {error}")
                answer = None
            verdict = str(answer.get("verdict")) if isinstance(answer, dict) else ""
            right = verdict == submission.program.verdict
            self.scene.contest[submission.user].append((verdict, right))
            wrong += not right
        return wrong

    # ------------------------------------------------------------------ a broken pool

    async def _diagnosed(self, client: Client, broken: Breakage) -> bool:
        """Whether the diagnosis names what was broken. The pool is mended after that."""
        await self.cloud.break_pool(broken.faults)
        self.scene.say(f"The pool is broken: {broken.told}. The diagnosis says:")
        found = await insist(client.call, "POST", f"/api/v1/targets/{POOL}/diagnose", {})
        sentence = str(found.get("sentence")) if isinstance(found, dict) else ""
        self.scene.say(sentence.partition("; next step:")[0])
        await self.cloud.mend_pool()
        return named(broken, sentence)


# ---------------------------------------------------------------------- counting. Pure.


def run_ids(counts: JsonObject) -> list[str]:
    """The id of each run, as often as it ran, from the counts of a pool."""
    sessions = counts["runs"]
    assert isinstance(sessions, dict)
    runs = [item for ran in sessions.values() if isinstance(ran, dict) for item in ran.items()]
    return [run_id for run_id, times in runs for _ in range(int(str(times)))]


def run_id_of(row: JsonObject) -> str:
    """The run that an execution of a pool is, from its handle `session/run`."""
    return str(row.get("handle") or "").rpartition("/")[2]


def verdict_of(row: JsonObject) -> str:
    """What became of a run, as it is recorded; empty when that is not known."""
    return str(_detail(row).get("verdict") or "") if row.get("complete") else ""


def printed(row: JsonObject) -> str:
    """All that a run printed."""
    return "".join(_texts(_detail(row).get(stream) for stream in ("stdout", "stderr", "output")))


def _detail(row: JsonObject) -> JsonObject:
    output = row.get("output")
    detail = output.get("detail") if isinstance(output, dict) else None
    return detail if isinstance(detail, dict) else {}


def _texts(values: Iterable[object]) -> Iterable[str]:
    return (value for value in values if isinstance(value, str))
