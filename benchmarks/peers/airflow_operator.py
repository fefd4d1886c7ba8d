"""Airflow: an operator on ResumableJobMixin that runs queries in AMC, and the process that runs its tasks.

What Airflow gives the mixin is a store for the id of the remote job; here it is a table that is committed before `set`
returns. A run after a crash is what Airflow's retry is: the same task, executed again in a new process with the same
store. `BENCHMARK_KILL=point:count` says where the process dies.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from airflow.sdk import BaseOperator, ResumableJobMixin

from benchmarks.work import EXECUTIONS_TYPE, SQL, WORKFLOWS_TYPE, Task

_left = {name: int(count) for name, _, count in [os.environ.get("BENCHMARK_KILL", "").partition(":")] if name}


def reach(point: str) -> None:
    """Die here, if this is the place."""
    if point in _left:
        _left[point] -= 1
        if not _left[point]:
            os.kill(os.getpid(), signal.SIGKILL)


class StateStore:
    """One task's state: what `task_state_store` of the context offers."""

    def __init__(self, database: sqlite3.Connection, task_id: str) -> None:
        self._database = database
        self._task_id = task_id

    def get(self, key: str) -> Any:
        row = self._database.execute("select value from state where task = ? and key = ?", (self._task_id, key))
        found = row.fetchone()
        return json.loads(found[0]) if found else None

    def set(self, key: str, value: Any, **_: object) -> None:
        with self._database:
            sql = "insert into state values (?, ?, ?) on conflict (task, key) do update set value = excluded.value"
            self._database.execute(sql, (self._task_id, key, json.dumps(value)))


class Amc:
    """The calls the operator makes."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._connection = http.client.HTTPConnection(urlsplit(task.amc["base_url"]).netloc, timeout=30)
        names = ("client_id", "client_secret", "refresh_token")
        form = urlencode({"grant_type": "refresh_token"} | {name: task.amc[name] for name in names})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._token = ""
        answer = self.send("POST", urlsplit(task.amc["lwa_token_url"]).path, form, headers).read()
        self._token = json.loads(answer)["access_token"]

    def call(self, method: str, path: str, media: str = EXECUTIONS_TYPE, body: object = None) -> Any:
        return json.loads(self.begin(method, path, media, body).read())

    def begin(self, method: str, path: str, media: str, body: object) -> http.client.HTTPResponse:
        """A call whose reply's body is not read yet."""
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Amazon-Advertising-API-ClientId": self._task.amc["client_id"],
            "Amazon-Advertising-API-AdvertiserId": self._task.amc["entity_id"],
            "Amazon-Advertising-API-MarketplaceId": self._task.amc["marketplace_id"],
            "Content-Type": media,
        }
        data = None if body is None else json.dumps(body)
        return self.send(method, f"/amc/reporting/{self._task.instance}{path}", data, headers)

    def send(self, method: str, path: str, data: str | None, headers: dict[str, str]) -> http.client.HTTPResponse:
        self._connection.request(method, path, data, headers)
        response = self._connection.getresponse()
        if response.status != http.client.OK:
            raise RuntimeError(f"{method} {path} was answered {response.status}: {response.read()[:200]!r}")
        return response


class AmcOperator(ResumableJobMixin, BaseOperator):
    """Runs one query. Its workflow is named after the task, so a second run of it is a second execution of that."""

    external_id_key = "amc_execution_id"

    def __init__(self, *, amc: Amc, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.amc = amc

    def submit_job(self, context: Any) -> str:
        reach("after_intent")
        try:
            self.amc.call("POST", "/workflows", WORKFLOWS_TYPE, {"workflowId": self.task_id, "sqlQuery": SQL})
        except RuntimeError as error:
            if "already exists" not in str(error):
                raise
        body = {"workflowId": self.task_id, "timeWindowType": "MOST_RECENT_DAY"}
        response = self.amc.begin("POST", "/workflowExecutions", EXECUTIONS_TYPE, body)
        reach("after_send")
        handle = str(json.loads(response.read())["workflowExecutionId"])
        reach("after_reply")
        return handle

    def get_job_status(self, external_id: Any, context: Any) -> str:
        return str(self.amc.call("GET", f"/workflowExecutions/{external_id}")["status"])

    def is_job_active(self, status: str) -> bool:
        return status in {"PENDING", "RUNNING"}

    def is_job_succeeded(self, status: str) -> bool:
        return status == "SUCCEEDED"

    def poll_until_complete(self, external_id: Any, context: Any) -> None:
        while self.is_job_active(self.get_job_status(external_id, context)):
            reach("during_look")
            time.sleep(0.1)

    def get_job_result(self, external_id: Any, context: Any) -> int:
        urls = self.amc.call("GET", f"/workflowExecutions/{external_id}/downloadUrls")["downloadUrls"]
        reach("during_collect")
        parts = [urlsplit(url) for url in urls]
        return sum(len(self.amc.send("GET", f"{one.path}?{one.query}", None, {}).read()) for one in parts)


def main() -> None:
    task = Task.given()
    database = sqlite3.connect(Path(task.folder) / "state.db")
    with database:
        database.execute("create table if not exists state (task text, key text, value text, primary key (task, key))")
    amc = Amc(task)
    for number in range(task.n):
        store = StateStore(database, f"airflow-{number}")
        if store.get("succeeded"):
            continue
        reach("before_intent")
        operator = AmcOperator(task_id=f"airflow-{number}", amc=amc)
        operator.execute_resumable({"task_state_store": store})
        store.set("succeeded", True)


if __name__ == "__main__":
    main()
