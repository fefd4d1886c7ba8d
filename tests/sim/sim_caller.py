"""A caller of the emulated AMC that knows nothing but HTTP."""

from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from afield_sim.testing import AmcAccess, Simulator

SQL = "SELECT campaign, sum(impressions) AS impressions FROM dsp_impressions GROUP BY campaign"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.content)


class Caller:
    def __init__(self, session: aiohttp.ClientSession, amc: AmcAccess) -> None:
        self.session = session
        self.amc = amc
        self.instance = amc.instances[0]
        self.headers: dict[str, str] = {}

    async def login(self, **changes: str) -> Answer:
        fields = {
            "grant_type": "refresh_token",
            "refresh_token": self.amc.refresh_token,
            "client_id": self.amc.client_id,
            "client_secret": self.amc.client_secret,
            **changes,
        }
        answer = await self.send("POST", self.amc.lwa_token_url, data={k: v for k, v in fields.items() if v})
        if answer.status == 200:
            self.headers = self.amc.headers(answer.json["access_token"])
        return answer

    async def send(self, method: str, url: str, **options: Any) -> Answer:
        async with self.session.request(method, url, **options) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def amc_call(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        params = {key: str(value) for key, value in query.items()}
        data = None if body is None else orjson.dumps(body)
        url = self.amc.base_url + path
        return await self.send(method, url, data=data, params=params, headers=self.headers)

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        return await self.amc_call(method, f"/amc/reporting/{self.instance}{path}", body, **query)

    async def create(self, sql: str = SQL, **fields: Any) -> Answer:
        body = {"workflow": {"sqlQuery": sql}, "timeWindowType": "ALL", **fields}
        return await self.call("POST", "/workflowExecutions", body)

    async def created(self, sql: str = SQL, **fields: Any) -> str:
        answer = await self.create(sql, **fields)
        assert answer.status == 200, answer
        return answer.json["workflowExecutionId"]

    async def get(self, execution_id: str, **query: Any) -> Answer:
        return await self.call("GET", f"/workflowExecutions/{execution_id}", **query)

    async def list_all(self, **query: Any) -> Answer:
        return await self.call("GET", "/workflowExecutions", **{"minCreationTime": "2020-01-01T00:00:00", **query})

    async def cancel(self, execution_id: str) -> Answer:
        return await self.call("PUT", f"/workflowExecutions/{execution_id}", {"status": "CANCELLED"})

    async def urls(self, execution_id: str) -> Answer:
        return await self.call("GET", f"/workflowExecutions/{execution_id}/downloadUrls")

    async def rows(self, execution_id: str) -> list[list[str]]:
        files = [
            (await self.send("GET", url)).content.decode()
            for url in (await self.urls(execution_id)).json["downloadUrls"]
        ]
        return [line.split(",") for text in files for line in text.splitlines()[1:]]


async def run_out(sim: Simulator) -> None:
    """Let everything that is live come to its end (ten executions at most)."""
    await sim.admin.advance(40)
    await sim.admin.wait(what="finished", at_least=len(await sim.admin.executions()))
