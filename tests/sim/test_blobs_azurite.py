"""The same append-blob client at the simulator and at the published Azurite emulator: the same answers."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from afield_sim.app import serve
from afield_sim.blobs import shared_key
from afield_sim.blobs.sas import Place, make_sas
from afield_sim.blobs.service import BlobsService
from afield_sim.blobs.writer import AppendBlobWriter, BlobRefusedError
from afield_sim.clock import Clock

pytestmark = pytest.mark.slow

PACKAGE = "azurite@3.35.0"
CACHE = Path(__file__).parents[2] / ".cache"
FOLDER = CACHE / PACKAGE.replace("@", "-")
PROGRAM = FOLDER / "node_modules" / ".bin" / "azurite-blob"
COMMAND = f"npm install --ignore-scripts --prefix {FOLDER.relative_to(CACHE.parent)} {PACKAGE}"


@dataclass(frozen=True)
class Home:
    """An account somewhere."""

    endpoint: str
    account: str
    key: str

    def url(self, blob: str, permissions: str, seconds: float = 600) -> str:
        sas = make_sas(self.key, Place(self.account, "steps", ""), permissions, time.time() + seconds)
        return f"{self.endpoint}/steps/{blob}?{sas}"

    async def make_container(self, http: aiohttp.ClientSession) -> int:
        url = URL(f"{self.endpoint}/steps?restype=container")
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02", "Content-Type": "text/plain"}
        signed = shared_key.authorization("PUT", url, headers, self.account, self.key)
        async with http.put(url, headers={**headers, "Authorization": signed}) as reply:
            return reply.status


def install() -> None:
    """Install the emulator once; the folder appears as a whole, so runs side by side do not meet half of it."""
    if PROGRAM.exists():
        return
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip(f"needs node and npm; then: {COMMAND}")
    CACHE.mkdir(exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="azurite-", dir=CACHE))
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(fresh), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        if done.returncode:
            pytest.skip(f"could not be installed ({done.stderr.strip()[-200:]}); by hand: {COMMAND}")
        if not FOLDER.exists():
            fresh.rename(FOLDER)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@asynccontextmanager
async def azurite(workspace: Path) -> AsyncIterator[Home]:
    """The emulator in a process of its own, on a free port, with an account of this run's own."""
    account, key = "afieldtest", b64encode(os.urandom(64)).decode()
    options = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    process = await asyncio.create_subprocess_exec(
        str(PROGRAM), *options, cwd=workspace,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"},
    )  # fmt: skip
    try:
        yield Home(f"{await listening(process)}/{account}", account, key)
    finally:
        process.kill()
        await process.communicate()


async def listening(process: asyncio.subprocess.Process) -> str:
    """Where it says that it listens."""
    assert process.stdout is not None
    while line := await asyncio.wait_for(process.stdout.readline(), 60):
        _, said, address = line.decode().partition("successfully listens on ")
        if said:
            return address.strip()
    raise AssertionError("the emulator ended before it listened")


@asynccontextmanager
async def simulated() -> AsyncIterator[Home]:
    server = await serve([BlobsService(Clock())], "127.0.0.1", 0)
    described = server.describe()["blobs"]
    try:
        yield Home(*(str(described[name]) for name in ("endpoint", "account", "key")))
    finally:
        await server.stop()


async def story(home: Home) -> list[object]:
    """What a writer and a reader meet there."""
    async with aiohttp.ClientSession() as http:

        async def refusal(url: str, *, append: bool = False) -> tuple[int, str]:
            writer = AppendBlobWriter(http, url)
            with pytest.raises(BlobRefusedError) as caught:
                await (writer.append(b"x") if append else writer.create())
            return caught.value.status, caught.value.code

        async def read(url: str, **headers: str) -> tuple[object, ...]:
            async with http.get(URL(url, encoded=True), headers=headers) as reply:
                names = ("x-ms-blob-type", "x-ms-blob-committed-block-count", "Content-Range")
                return reply.status, await reply.read(), *(reply.headers.get(name) for name in names)

        out = home.url("one/out.txt", "racw")
        met: list[object] = [await home.make_container(http), await home.make_container(http)]
        writer = AppendBlobWriter(http, out)
        await writer.create()
        await writer.append(b"lost\n")
        await writer.create()
        await writer.append(b"first\n")
        await writer.append(b"second\n")
        met += [await read(out), await read(out, Range="bytes=6-11")]
        met += [
            await refusal(out, append=True),
            await refusal(home.url("two/out.txt", "racw"), append=True),
            await refusal(home.url("two/out.txt", "r")),
        ]
        # for a bad signature the emulator has a code of its own, which the real service has not
        met += [
            (await refusal(out.replace("sp=racw", "sp=racwd")))[0],
            (await refusal(home.url("two/out.txt", "racw", seconds=-600)))[0],
        ]
        return met


@pytest.mark.timeout(240)
async def test_azurite_and_the_simulator_answer_alike(tmp_path: Path):
    await asyncio.to_thread(install)
    async with azurite(tmp_path) as published, simulated() as ours:
        met = await story(ours)
        assert met == await story(published)
    assert met == [
        201,
        409,
        (200, b"first\nsecond\n", "AppendBlob", "2", None),
        (206, b"second", "AppendBlob", "2", "bytes 6-11/13"),
        (412, "AppendPositionConditionNotMet"),
        (404, "BlobNotFound"),
        (403, "AuthorizationPermissionMismatch"),
        403,
        403,
    ]
