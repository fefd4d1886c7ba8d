"""Fetching over real connections: polite, bounded, and plain about what went wrong."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.provisioning.research.decoding import TooMuchError, UnknownPackingError, Unpacker, decode
from afield.provisioning.research.failures import Reason, ScrapeError
from afield.provisioning.research.fetch import Fetcher, Limits, Reach
from afield.provisioning.research.guard import Fence
from afield_sim.testing import Simulator, running_simulator

MIB = 1024 * 1024


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(websites=True) as running:
        yield running


def reach(sim: Simulator, **limits: float) -> Reach:
    return Reach(fence=Fence(loopback=True), ca_file=Path(sim.websites.ca_file), limits=Limits(**limits))


async def failure(sim: Simulator, url: str, **limits: float) -> ScrapeError:
    async with Fetcher(reach(sim, **limits)) as fetcher:
        with pytest.raises(ScrapeError) as caught:
            await fetcher.page(url)
    return caught.value


async def asked(sim: Simulator, site: str) -> bool:
    """Whether Afield asked for anything there. Others on this machine may knock on the wrong door."""
    agents = (await sim.websites_admin.counters())["agents"].get(site, {})
    return any(agent.startswith("AfieldBot") for agent in agents)


async def test_a_page_is_fetched_after_its_rules_by_one_who_says_who_it_is(sim: Simulator) -> None:
    site = sim.websites.sites["fjordwear"]
    async with Fetcher(reach(sim)) as fetcher:
        page = await fetcher.page(site.https)
        again = await fetcher.page(site.https + "about#team")
        style = await fetcher.style(site.https + "style.css")
    assert "<title>Fjordwear" in page.text
    assert again.url == site.https + "about"
    assert "--primary" in style.text
    counters = await sim.websites_admin.counters()
    assert counters["requests"]["fjordwear"] == {"/robots.txt": 1, "/": 1, "/about": 1, "/style.css": 1}
    assert all(agent.startswith("AfieldBot/") for agent in counters["agents"]["fjordwear"])


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("expired", Reason.CERTIFICATE_EXPIRED, "certificate has expired"),
        ("wronghost", Reason.CERTIFICATE_WRONG_HOST, "certificate belongs to another host"),
        ("selfsigned", Reason.CERTIFICATE_SELF_SIGNED, "certificate is self-signed"),
    ],
)
async def test_bad_certificates_are_told_apart(sim: Simulator, name: str, reason: Reason, words: str) -> None:
    error = await failure(sim, sim.websites.sites[name].https)
    assert error.reason is reason
    assert str(error).startswith(f"Failed to scrape URL: {words}")
    assert not error.passing
    assert not await asked(sim, name)


async def test_an_authority_nobody_knows_is_said_to_be_that(sim: Simulator) -> None:
    site = sim.websites.sites["fjordwear"]
    async with Fetcher(Reach(fence=Fence(loopback=True))) as fetcher:
        with pytest.raises(ScrapeError, match="certificate comes from an authority that is not trusted") as caught:
            await fetcher.page(site.https)
    assert caught.value.reason is Reason.CERTIFICATE_UNKNOWN_ISSUER


async def test_no_tls_at_all_is_said_to_be_that(sim: Simulator) -> None:
    error = await failure(sim, sim.websites.sites["fjordwear"].http.replace("http:", "https:"))
    assert error.reason is Reason.TLS


@pytest.mark.parametrize("path", ["", "ten", "mapped", "file", "user"])
async def test_redirects_inward_are_not_followed(sim: Simulator, path: str) -> None:
    error = await failure(sim, sim.websites.sites["inward"].http + path)
    assert error.reason in {Reason.FORBIDDEN, Reason.INVALID_URL}
    assert "secret" not in str(error)


async def test_redirects_end(sim: Simulator) -> None:
    error = await failure(sim, sim.websites.sites["carousel"].http, redirects=3)
    assert error.reason is Reason.REDIRECTS
    assert (await sim.websites_admin.requests("carousel"))["/"] == 4


@pytest.mark.parametrize(("name", "path"), [("huge", ""), ("huge", "declared"), ("bomb", "")])
async def test_large_pages_end_early(sim: Simulator, name: str, path: str) -> None:
    error = await failure(sim, sim.websites.sites[name].http + path, page_bytes=MIB)
    assert error.reason is Reason.TOO_LARGE
    assert (await sim.websites_admin.counters())["sent"].get(name, 0) < 12 * MIB


async def test_the_pages_of_a_site_have_a_limit_together(sim: Simulator) -> None:
    site = sim.websites.sites["fjordwear"]
    async with Fetcher(reach(sim, total_bytes=5000)) as fetcher:
        await fetcher.page(site.http)
        with pytest.raises(ScrapeError, match="5,000 bytes in all"):
            await fetcher.page(site.http + "shop")


async def test_a_drip_ends(sim: Simulator) -> None:
    error = await failure(sim, sim.websites.sites["drip"].http, page_s=0.4)
    assert error.reason is Reason.TOO_SLOW
    assert error.passing


async def test_a_visit_ends(sim: Simulator) -> None:
    await sim.websites_admin.fault("fjordwear", slow={"seconds": 5})
    error = await failure(sim, sim.websites.sites["fjordwear"].http, total_s=0.3)
    assert error.what == "the time for the whole site is over"


async def test_an_owner_who_refuses_is_respected(sim: Simulator) -> None:
    error = await failure(sim, sim.websites.sites["closed"].http)
    assert error.reason is Reason.ROBOTS
    assert await sim.websites_admin.requests("closed") == {"/robots.txt": 1}
    refused = await failure(sim, sim.websites.sites["fjordwear"].http + "login")
    assert refused.reason is Reason.ROBOTS


@pytest.mark.parametrize(("status", "reason"), [(503, Reason.UNAVAILABLE), (429, Reason.UNAVAILABLE)])
async def test_a_site_in_trouble_may_be_asked_again_later(sim: Simulator, status: int, reason: Reason) -> None:
    await sim.websites_admin.fault("fjordwear", failing={"status": status})
    error = await failure(sim, sim.websites.sites["fjordwear"].http)
    assert (error.reason, error.passing) == (reason, True)
    assert "robots.txt" in error.what
    await sim.websites_admin.fault("fjordwear", failing={"status": status, "skip": 1})
    assert (await failure(sim, sim.websites.sites["fjordwear"].http)).what.startswith(f"the site answers {status}")


async def test_what_is_no_page_is_not_read(sim: Simulator) -> None:
    site = sim.websites.sites["fjordwear"]
    assert (await failure(sim, site.http + "nothing-here")).reason is Reason.STATUS
    assert (await failure(sim, site.http + "logo.svg")).reason is Reason.CONTENT_TYPE


async def test_nobody_there() -> None:
    async with Fetcher(Reach(fence=Fence(loopback=True))) as fetcher:
        with pytest.raises(ScrapeError) as caught:
            await fetcher.page("http://127.0.0.1:1/")
        assert caught.value.reason is Reason.NO_CONNECTION
        with pytest.raises(ScrapeError) as caught:
            await fetcher.page("http://no-such-host.invalid/")
        assert caught.value.reason is Reason.UNKNOWN_HOST


@pytest.mark.parametrize(
    "url", ["", "   ", "http://", "https://[", "ftp://example.com", "http://a b/", "http://host:99999/"]
)
async def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    async with Fetcher() as fetcher:
        with pytest.raises(ScrapeError) as caught:
            await fetcher.page(url)
    assert caught.value.reason is Reason.INVALID_URL


async def test_a_wrong_encoding_is_read_and_noted(sim: Simulator) -> None:
    async with Fetcher(reach(sim)) as fetcher:
        page = await fetcher.page(sim.websites.sites["ecluse"].http)
    assert "Hôtel de l&#x27;Écluse" in page.text
    assert "windows-1252" in page.notes[0]


@pytest.mark.parametrize(
    ("body", "declared", "text", "encoding", "wrong"),
    [
        ("naïve".encode(), "utf-8", "naïve", "utf-8", ""),
        ("naïve".encode(), "iso-8859-1", "naïve", "utf-8", "cp1252"),
        ("naïve €".encode("cp1252"), "utf-8", "naïve €", "windows-1252", "utf-8"),
        ("naïve".encode("cp1252"), "latin-1", "naïve", "windows-1252", ""),
        ("naïve".encode("cp1252"), None, "naïve", "windows-1252", ""),
        (b"plain", "iso-8859-1", "plain", "utf-8", ""),
        ("日本".encode("shift_jis"), "Shift_JIS", "日本", "shift_jis", ""),
        ("日本".encode("iso-2022-jp"), "iso-2022-jp", "日本", "iso2022_jp", ""),
        ('<meta charset="windows-1251">да'.encode("cp1251"), None, '<meta charset="windows-1251">да', "cp1251", ""),
        ("\ufeffnaïve".encode(), None, "naïve", "utf-8-sig", ""),
        ("naïve".encode("utf-16"), None, "naïve", "utf-16", ""),
        (b"x", "no-such-charset", "x", "utf-8", ""),
        (b"x", "base64", "x", "utf-8", ""),
    ],
)
def test_encodings(body: bytes, declared: str | None, text: str, encoding: str, wrong: str) -> None:
    found = decode(body, declared)
    assert (found.text, found.encoding) == (text, encoding)
    assert bool(found.wrongly_declared) == bool(wrong)


@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "utf-16", "ascii", "big5", "hz", "utf-7", "idna"]))
def test_any_bytes_become_text(body: bytes, declared: str | None) -> None:
    assert isinstance(decode(body, declared).text, str)


@given(st.binary(max_size=2000), st.integers(1, 50), st.sampled_from(["", "identity", "gzip", "deflate", "raw"]))
def test_bodies_are_unpacked_in_pieces_of_any_size(body: bytes, size: int, packing: str) -> None:
    raw = zlib.compressobj(wbits=-15)
    deflated = raw.compress(body) + raw.flush()
    packed = {"gzip": gzip.compress(body, mtime=0), "deflate": zlib.compress(body), "raw": deflated}
    sent = packed.get(packing, body)
    unpacker = Unpacker("deflate" if packing == "raw" else packing, 2000)
    for start in range(0, len(sent), size):
        unpacker.feed(sent[start : start + size])
    assert unpacker.result() == body


def test_a_bomb_is_not_unpacked() -> None:
    unpacker = Unpacker("gzip", 1000)
    with pytest.raises(TooMuchError):
        unpacker.feed(gzip.compress(bytes(50 * MIB), 1))


@pytest.mark.parametrize(
    ("packing", "body"), [("br", b"x"), ("gzip", b"not packed"), ("gzip", gzip.compress(b"x", mtime=0)[:-9])]
)
def test_other_packings_and_broken_ones_are_refused(packing: str, body: bytes) -> None:
    with pytest.raises(UnknownPackingError):
        unpacker = Unpacker(packing, 1000)
        unpacker.feed(body)
        unpacker.result()
