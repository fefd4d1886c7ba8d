"""Append blobs: the writer of the machines, signatures, and a client from elsewhere."""

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import AzureStore
from sim_caller import Answer
from yarl import URL

from afield_sim.app import serve
from afield_sim.blobs import shared_key
from afield_sim.blobs.sas import Place, make_sas
from afield_sim.blobs.service import BlobsService
from afield_sim.blobs.writer import MAX_BLOCK, AppendBlobWriter, BlobRefusedError
from afield_sim.testing import ManualClock


class Blobs:
    """A running blob service and what a test asks of it."""

    def __init__(self, described: dict[str, Any], http: aiohttp.ClientSession, clock: ManualClock) -> None:
        self.described = described
        self.http = http
        self.clock = clock
        self.container_url = f"{described['endpoint']}/{described['container']}"

    def url(self, name: str = "step/out.txt", sas: str | None = None) -> str:
        return f"{self.container_url}/{name}?{self.described['container_sas'] if sas is None else sas}"

    def sas(self, permissions: str, blob: str = "", seconds: float = 60, key: str | None = None) -> str:
        place = Place(self.described["account"], self.described["container"], blob)
        return make_sas(key or self.described["key"], place, permissions, self.clock.now() + seconds)

    def writer(self, name: str = "step/out.txt", sas: str | None = None) -> AppendBlobWriter:
        return AppendBlobWriter(self.http, self.url(name, sas))

    async def send(self, method: str, url: str, data: bytes = b"", **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.request(method, URL(url, encoded=True), data=BytesIO(data), headers=sent) as reply:
            return Answer(reply.status, dict(reply.headers), await reply.read())

    def store(self, **credential: str) -> AzureStore:
        return AzureStore(
            self.described["container"],
            account_name=self.described["account"],
            endpoint=self.described["endpoint"],
            client_options={"allow_http": True},
            **credential,
        )


@pytest.fixture
async def blobs() -> AsyncIterator[Blobs]:
    clock = ManualClock()
    server = await serve([BlobsService(clock)], "127.0.0.1", 0)
    async with aiohttp.ClientSession() as http:
        yield Blobs(dict(server.describe()["blobs"]), http, clock)
    await server.stop()


async def refused(blobs: Blobs, sas: str, name: str = "step/out.txt") -> tuple[int, str]:
    with pytest.raises(BlobRefusedError) as caught:
        await blobs.writer(name, sas).create()
    assert "sig=" not in str(caught.value)
    return caught.value.status, caught.value.code


async def test_what_is_appended_can_be_read(blobs: Blobs):
    writer = blobs.writer()
    await writer.create()
    await writer.append(b"first\n")
    await writer.append(b"second\n")
    whole = await blobs.send("GET", blobs.url())
    assert (whole.status, whole.content) == (200, b"first\nsecond\n")
    assert (whole.headers["x-ms-blob-type"], whole.headers["x-ms-blob-committed-block-count"]) == ("AppendBlob", "2")
    part = await blobs.send("GET", blobs.url(), Range="bytes=6-8")
    assert (part.status, part.content, part.headers["Content-Range"]) == (206, b"sec", "bytes 6-8/13")
    assert (await blobs.send("GET", blobs.url(), x_ms_range="bytes=6-")).content == b"second\n"
    head = await blobs.send("HEAD", blobs.url())
    assert (head.status, head.headers["Content-Length"], head.headers["Etag"]) == (200, "13", whole.headers["Etag"])
    assert (await blobs.send("GET", blobs.url(), Range="bytes=13-")).headers["x-ms-error-code"] == "InvalidRange"


async def test_creating_again_empties_the_blob(blobs: Blobs):
    writer = blobs.writer()
    await writer.create()
    await writer.append(b"old")
    await writer.create()
    await writer.append(b"new")
    assert (await blobs.send("GET", blobs.url())).content == b"new"


async def test_large_output_goes_in_blocks(blobs: Blobs):
    data = bytes(range(256)) * (MAX_BLOCK // 256) + b"rest"
    writer = blobs.writer()
    await writer.create()
    await writer.append(data)
    answer = await blobs.send("GET", blobs.url())
    assert (answer.content == data, answer.headers["x-ms-blob-committed-block-count"]) == (True, "2")
    too_large = await blobs.send("PUT", blobs.url() + "&comp=appendblock", bytes(MAX_BLOCK + 1))
    assert (too_large.status, too_large.headers["x-ms-error-code"]) == (413, "RequestBodyTooLarge")


async def test_a_block_sent_twice_is_refused(blobs: Blobs):
    await blobs.writer().create()
    append = {"x_ms_blob_condition_appendpos": "0"}
    first = await blobs.send("PUT", blobs.url() + "&comp=appendblock", b"once", **append)
    assert (first.status, first.headers["x-ms-blob-append-offset"]) == (201, "0")
    again = await blobs.send("PUT", blobs.url() + "&comp=appendblock", b"once", **append)
    assert (again.status, again.headers["x-ms-error-code"]) == (412, "AppendPositionConditionNotMet")


@pytest.mark.parametrize(
    ("permissions", "more", "answer"),
    [
        ("racw", {}, None),
        ("c", {"blob": "step/out.txt"}, None),
        ("r", {}, (403, "AuthorizationPermissionMismatch")),
        ("racw", {"blob": "step/other.txt"}, (403, "AuthenticationFailed")),
        ("racw", {"seconds": -1}, (403, "AuthenticationFailed")),
        ("racw", {"key": "d3Jvbmc="}, (403, "AuthenticationFailed")),
    ],
)
async def test_who_may_create(blobs: Blobs, permissions: str, more: dict[str, Any], answer):
    sas = blobs.sas(permissions, **more)
    if answer is None:
        await blobs.writer(sas=sas).create()
    else:
        assert await refused(blobs, sas) == answer


async def test_a_sas_cannot_be_widened(blobs: Blobs):
    assert await refused(blobs, blobs.sas("r").replace("sp=r", "sp=racw")) == (403, "AuthenticationFailed")
    assert await refused(blobs, "") == (401, "NoAuthenticationInformation")
    await blobs.writer().create()
    assert await refused(blobs, blobs.sas("c")) == (403, "AuthorizationPermissionMismatch")


async def test_errors_are_xml(blobs: Blobs):
    answer = await blobs.send("GET", blobs.url("nothing"))
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/xml")
    assert b"<Code>BlobNotFound</Code><Message>The specified blob does not exist.\nRequestId:" in answer.content
    with pytest.raises(BlobRefusedError, match="404 BlobNotFound"):
        await blobs.writer("nothing").append(b"x")
    odd = await blobs.send("PUT", blobs.url(), x_ms_blob_type="PageBlob")
    assert (odd.status, odd.headers["x-ms-error-code"]) == (400, "InvalidHeaderValue")
    place = Place(blobs.described["account"], "missing", "")
    sas = make_sas(blobs.described["key"], place, "racw", blobs.clock.now() + 60)
    elsewhere = AppendBlobWriter(blobs.http, f"{blobs.described['endpoint']}/missing/out?{sas}")
    with pytest.raises(BlobRefusedError, match="404 ContainerNotFound"):
        await elsewhere.create()


async def test_deleting_needs_its_own_permission(blobs: Blobs):
    await blobs.writer().create()
    assert (await blobs.send("DELETE", blobs.url())).status == 403
    assert (await blobs.send("DELETE", blobs.url(sas=blobs.sas("d")))).status == 202
    assert (await blobs.send("GET", blobs.url())).status == 404


async def test_a_container_is_made_with_the_key(blobs: Blobs):
    url = URL(f"{blobs.described['endpoint']}/mine?restype=container")
    headers = {"x-ms-date": "today", "x-ms-version": "2021-12-02", "Content-Type": "text/plain"}
    signed = shared_key.authorization("PUT", url, headers, blobs.described["account"], blobs.described["key"])
    for expected in (201, 409):
        async with blobs.http.put(url, headers={**headers, "Authorization": signed}) as reply:
            assert reply.status == expected
    async with blobs.http.put(url, headers={**headers, "Authorization": signed[:-5] + "AAAA="}) as reply:
        assert reply.status == 403


@pytest.mark.parametrize("with_key", [True, False])
async def test_an_object_store_client_reads_and_writes(blobs: Blobs, with_key: bool):
    writer = blobs.writer()
    await writer.create()
    await writer.append(b"0123456789")
    described = blobs.described
    sas = {"sas_key": described["container_sas"]}
    store = blobs.store(**({"account_key": described["key"]} if with_key else sas))
    assert bytes(await (await obstore.get_async(store, "step/out.txt")).bytes_async()) == b"0123456789"
    assert bytes(await obstore.get_range_async(store, "step/out.txt", start=2, length=3)) == b"234"
    assert (await obstore.head_async(store, "step/out.txt"))["size"] == 10
    await obstore.put_async(store, "made elsewhere", b"block")
    assert (await blobs.send("GET", blobs.url("made%20elsewhere"))).content == b"block"
    with pytest.raises(BlobRefusedError, match="409 InvalidBlobType"):
        await blobs.writer("made%20elsewhere").append(b"x")


async def test_an_object_store_client_with_a_wrong_key(blobs: Blobs):
    await blobs.writer().create()
    with pytest.raises(BaseError, match="403"):
        await obstore.get_async(blobs.store(account_key="d3Jvbmc="), "step/out.txt")
