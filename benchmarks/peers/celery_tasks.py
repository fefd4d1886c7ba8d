"""Celery with Redis: one task that submits an execution, one that follows it and gets its result.

Configuration: JSON messages, late acknowledgement, and a Redis that writes its log to disk before it answers, so that
what is accepted survives like a commit does; results ignored (what matters is in the messages); a pool of threads,
each with a kept connection, since Celery's tasks are not asynchronous and spend their time waiting. It is the worker
process (`celery worker`) whose CPU time counts, together with the process that sends the tasks.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import redis
from celery import Celery

from benchmarks.work import EXECUTIONS_TYPE, SQL, WORKFLOWS_TYPE, Task, measured

_TASK = "BENCHMARK_TASK"
_DONE = "benchmark:done"

TASK = Task(**json.loads(os.environ.get(_TASK) or sys.argv[1]))
app = Celery("benchmark", broker=TASK.redis_url)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=4,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    task_send_sent_event=False,
    broker_pool_limit=TASK.at_once,
    broker_connection_retry_on_startup=True,
)
_local = threading.local()
_token: list[str] = []
_signing_in = threading.Lock()
_redis = redis.Redis.from_url(TASK.redis_url)


def call(method: str, path: str, media: str = EXECUTIONS_TYPE, body: object = None) -> Any:
    """One call on this thread's kept connection. The cheapest client there is: the standard library's."""
    headers = {
        "Authorization": f"Bearer {token()}",
        "Amazon-Advertising-API-ClientId": TASK.amc["client_id"],
        "Amazon-Advertising-API-AdvertiserId": TASK.amc["entity_id"],
        "Amazon-Advertising-API-MarketplaceId": TASK.amc["marketplace_id"],
        "Content-Type": media,
        "Accept": media,
    }
    data = None if body is None else json.dumps(body)
    return json.loads(fetch(method, f"/amc/reporting/{TASK.instance}{path}", data, headers))


def fetch(method: str, path: str, data: str | None = None, headers: dict[str, str] | None = None) -> bytes:
    connection = getattr(_local, "connection", None)
    if connection is None:
        connection = _local.connection = http.client.HTTPConnection(urlsplit(TASK.amc["base_url"]).netloc, timeout=30)
    connection.request(method, path, data, headers or {})
    response = connection.getresponse()
    content: bytes = response.read()
    if response.status != http.client.OK:
        raise RuntimeError(f"{method} {path} was answered {response.status}")
    return content


def token() -> str:
    with _signing_in:
        if not _token:
            names = ("client_id", "client_secret", "refresh_token")
            form = urlencode({"grant_type": "refresh_token"} | {name: TASK.amc[name] for name in names})
            form_type = {"Content-Type": "application/x-www-form-urlencoded"}
            path = urlsplit(TASK.amc["lwa_token_url"]).path
            _token.append(json.loads(fetch("POST", path, form, form_type))["access_token"])
        return _token[0]


@app.task(name="submit")  # type: ignore[untyped-decorator]
def submit(name: str) -> None:
    call("POST", "/workflows", WORKFLOWS_TYPE, {"workflowId": name, "sqlQuery": SQL})
    body = {"workflowId": name, "timeWindowType": "MOST_RECENT_DAY", "timeWindowTimeZone": "UTC"}
    follow.delay(call("POST", "/workflowExecutions", body=body)["workflowExecutionId"], name)


@app.task(name="follow", bind=True, max_retries=None)  # type: ignore[untyped-decorator]
def follow(self: Any, handle: str, name: str) -> None:
    status = call("GET", f"/workflowExecutions/{handle}")["status"]
    if status in {"PENDING", "RUNNING"}:
        raise self.retry(countdown=TASK.interval)
    if status != "SUCCEEDED":
        raise RuntimeError(f"execution {handle} ended {status}")
    for url in call("GET", f"/workflowExecutions/{handle}/downloadUrls")["downloadUrls"]:
        parts = urlsplit(url)
        fetch("GET", f"{parts.path}?{parts.query}")
    call("DELETE", f"/workflows/{name}", WORKFLOWS_TYPE)
    _redis.incr(_DONE)


def run(n: int) -> None:
    """Send `n` tasks and wait until the last is done."""
    _redis.delete(_DONE)
    with app.producer_or_acquire() as producer:
        for _ in range(n):
            submit.apply_async((f"celery-{uuid4().hex}-1",), producer=producer)
    while int(_redis.get(_DONE) or 0) < n:  # type: ignore[arg-type]
        time.sleep(0.02)


def main() -> None:
    command = [sys.executable, "-m", "celery", "--quiet", "--app", "benchmarks.peers.celery_tasks", "worker"]
    options = ["--pool", "threads", "--concurrency", str(TASK.at_once), "--loglevel", "ERROR"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    environment = os.environ | {_TASK: TASK.to_json()}
    worker = subprocess.Popen([*command, *options, *quiet], env=environment, stdout=sys.stderr)
    try:
        run(TASK.at_once)  # connections and caches
        with measured(worker.pid) as cost:
            run(TASK.n)
    finally:
        worker.terminate()
        worker.wait(20)
    cost.tell()


if __name__ == "__main__":
    main()
