"""A small program that stands in for a container: it takes the same options, remembers runs, and tells what it saw."""

import argparse
import asyncio
import json
import os
from pathlib import Path

from aiohttp import WSMsgType, web

BOOT = os.urandom(4).hex()
HEADERS = {"x-afield-adapter": "stand-in", "x-afield-boot": BOOT}
RUNS: dict[str, dict] = {}
GO_ON = asyncio.Event()


async def echo(http: web.Request) -> web.Response:
    told = {
        "method": http.method,
        "target": http.raw_path,
        "headers": dict(http.headers),
        "body": (await http.read()).decode(errors="replace"),
        "boot": BOOT,
    }
    return web.json_response(told, headers={**HEADERS, "x-odd": "kept"}, status=int(http.query.get("status", "200")))


async def run(http: web.Request) -> web.Response:
    body = await http.json()
    run_id = body.get("run_id", os.urandom(4).hex())
    RUNS.setdefault(run_id, {"run_id": run_id, "status": "finished"})
    if body.get("language") == "wait":
        await GO_ON.wait()
    return web.json_response(RUNS[run_id], headers=HEADERS)


async def runs(_: web.Request) -> web.Response:
    return web.json_response({"runs": list(RUNS.values())}, headers=HEADERS)


async def one_run(http: web.Request) -> web.Response:
    found = RUNS.get(http.match_info["id"])
    return web.json_response(found or {"error": {"code": "no_such_run"}}, status=200 if found else 404, headers=HEADERS)


async def end(_: web.Request) -> web.Response:
    os._exit(3)


async def pieces(http: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(http)
    for number in range(3):
        await response.write(f"piece {number}\n".encode())
    return response


async def connect(http: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("odd",))
    await socket.prepare(http)
    async for message in socket:
        if message.type is WSMsgType.TEXT and message.data == "close":
            await socket.close(code=4999, message=b"Job Completed")
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(f"{BOOT} {message.data}")
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data[::-1])
    return socket


async def serve(options: argparse.Namespace) -> None:
    app = web.Application(client_max_size=0)
    app.router.add_get("/connect", connect)
    app.router.add_post("/runs", run)
    app.router.add_get("/runs", runs)
    app.router.add_get("/runs/{id}", one_run)
    app.router.add_get("/pieces", pieces)
    app.router.add_post("/end", end)
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app, handle_signals=True)
    await runner.setup()
    await web.TCPSite(runner, options.host, options.port).start()
    url = f"http://{options.host}:{runner.addresses[0][1]}"
    partial = options.ready_file.with_suffix(".part")
    partial.write_text(json.dumps({"url": url, "pid": os.getpid(), "kind": options.kind}))
    partial.rename(options.ready_file)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--kind")
    parser.add_argument("--ready-file", type=Path)
    asyncio.run(serve(parser.parse_args()))
