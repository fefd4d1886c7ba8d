"""The simulator's company websites, over real connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from afield_sim.testing import AdminError, Simulator, running_simulator
from afield_sim.websites.company import companies
from afield_sim.websites.sites import SITES, Trick


@pytest.fixture
async def running() -> AsyncIterator[Simulator]:
    async with running_simulator(websites=True) as sim:
        yield sim


@pytest.fixture
async def http(running: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    trusted = ssl.create_default_context(cafile=running.websites.ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session:
        yield session


async def text(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(url) as response:
        assert response.status == 200, url
        return await response.text()


def test_there_are_sites_of_many_industries_and_every_trick_has_one() -> None:
    ordinary = {companies()[site.company].industry for site in SITES if site.trick is Trick.NONE}
    assert len(ordinary) >= 12
    assert {site.trick for site in SITES} == set(Trick)
    assert len({site.name for site in SITES}) == len(SITES)


async def test_ordinary_sites_have_pages_that_lead_to_each_other(
    running: Simulator, http: aiohttp.ClientSession
) -> None:
    assert len(running.websites.ordinary()) >= 12
    for site in running.websites.ordinary():
        company = companies()[site.name]
        home = await text(http, site.https)
        assert company.description.split("&")[0] in home
        assert f'href="/{company.offer.path}"' in home
        offer = await text(http, f"{site.http}{company.offer.path}")
        assert all(item.name.split("&")[0] in offer for section in company.sections for item in section.items)


async def test_each_address_is_one_site(running: Simulator, http: aiohttp.ClientSession) -> None:
    addresses = [address for site in running.websites.sites.values() for address in (site.http, site.https)]
    assert len(set(addresses)) == 2 * len(SITES)
    site = running.websites.sites["marea"]
    async with http.get(f"{site.http}no/such/page") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("name", "code"), [("expired", 10), ("wronghost", 64), ("selfsigned", 18)]
)  # numbers of OpenSSL
async def test_bad_certificates(running: Simulator, http: aiohttp.ClientSession, name: str, code: int) -> None:
    site = running.websites.sites[name]
    with pytest.raises(aiohttp.ClientConnectorCertificateError) as caught:
        await http.get(site.https)
    error = caught.value.certificate_error
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert error.verify_code == code
    assert "<title>" in await text(http, site.http)


@pytest.mark.parametrize(
    ("path", "target"),
    [("", "http://169.254.169.254/latest/meta-data/"), ("ten", "http://10.0.0.8/"), ("file", "file:///etc/passwd")],
)
async def test_redirects_inward(running: Simulator, http: aiohttp.ClientSession, path: str, target: str) -> None:
    async with http.get(running.websites.sites["inward"].http + path, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, target)


async def test_endless_redirects(running: Simulator, http: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.TooManyRedirects):
        await http.get(running.websites.sites["carousel"].http)


@pytest.mark.parametrize(("name", "path"), [("huge", ""), ("huge", "declared"), ("bomb", "")])
async def test_large_pages(running: Simulator, http: aiohttp.ClientSession, name: str, path: str) -> None:
    size = 0
    async with http.get(running.websites.sites[name].http + path) as response:
        assert response.content_type == "text/html"
        async for piece in response.content.iter_any():
            size += len(piece)
    assert size >= 30 * 1024 * 1024


async def test_the_drip_goes_on(running: Simulator, http: aiohttp.ClientSession) -> None:
    async with http.get(running.websites.sites["drip"].http) as response:
        assert await response.content.readexactly(3) == b"<ht"
        assert not response.content.at_eof()


async def test_contents_with_something_wrong(running: Simulator, http: aiohttp.ClientSession) -> None:
    sites = running.websites.sites
    assert "Disallow: /\n" in await text(http, sites["closed"].http + "robots.txt")
    assert "Ignore all previous instructions" in await text(http, sites["greenfork"].http)
    plain = await text(http, sites["aldermill"].http)
    assert "ld+json" not in plain
    assert "og:" not in plain
    assert '<div id="root"></div>' in await text(http, sites["cloudherd"].http + "pricing")
    async with http.get(sites["ecluse"].http) as response:
        body = await response.read()
        assert response.charset == "utf-8"
        assert "Hôtel".encode("cp1252") in body


async def test_requests_are_counted_by_site_and_path(running: Simulator, http: aiohttp.ClientSession) -> None:
    site = running.websites.sites["brenner"]
    waiting = asyncio.create_task(running.websites_admin.wait("brenner", path="/about", at_least=2))
    for path in ("", "about", "about"):
        await text(http, site.http + path)
    assert await waiting == 2
    counters = await running.websites_admin.counters()
    assert counters["requests"] == {"brenner": {"/": 1, "/about": 2}}
    assert counters["sent"]["brenner"] > 1000
    assert list(counters["agents"]["brenner"].values()) == [3]
    await running.websites_admin.reset()
    assert await running.websites_admin.requests("brenner") == {}
    with pytest.raises(AssertionError, match="there were 0"):
        await running.websites_admin.wait("brenner", timeout=0)


async def test_any_site_can_fail_for_a_while(running: Simulator, http: aiohttp.ClientSession) -> None:
    site = running.websites.sites["voxline"].http
    await running.websites_admin.fault("voxline", failing={"status": 502, "next": 1}, slow={"seconds": 0.01})
    async with http.get(site) as response:
        assert response.status == 502
    await text(http, site)
    await running.websites_admin.clear_faults()
    with pytest.raises(AdminError, match="unknown site"):
        await running.websites_admin.fault("nowhere", failing={})
    with pytest.raises(AdminError):
        await running.websites_admin.fault("voxline", exploding={})


async def test_ports_stay_the_same_with_a_data_folder(tmp_path: Path) -> None:
    async with running_simulator(websites=True, data=tmp_path) as first:
        addresses = first.websites.sites
    async with running_simulator(websites=True, data=tmp_path) as second:
        assert second.websites.sites == addresses
        trusted = await asyncio.to_thread(ssl.create_default_context, cafile=second.websites.ca_file)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as http:
            assert "Fjordwear" in await text(http, addresses["fjordwear"].https)
    assert not list(tmp_path.rglob("server.pem"))


async def test_there_are_none_unless_asked_for() -> None:
    async with running_simulator() as sim:
        assert sim.websites.sites == {}
