"""Answers requests to the sites, with whatever is wrong with each."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from functools import cache

from aiohttp import web

from ..counters import Counters
from ..pulse import Pulse
from ..striking import Chance
from .content import Content, answer
from .faults import SiteFaults
from .sites import Site, Trick
from .tally import Tally

HUGE_BYTES = 30 * 1024 * 1024
_PIECE = 64 * 1024
_DRIP_S = 0.05
_METADATA = "http://169.254.169.254/latest/meta-data/"
_INWARD = {
    "/": _METADATA,
    "/ten": "http://10.0.0.8/",
    "/mapped": "http://[::ffff:192.168.1.1]/",
    "/file": "file:///etc/passwd",
    "/user": "http://admin:secret@example.com/",
}


class Serving:
    """One door for all sites: the port a request came in by says which it is."""

    def __init__(self, seed: int) -> None:
        self.tally = Tally()
        self.pulse = Pulse()
        self.faults: dict[str, SiteFaults] = {}
        self.sites: Mapping[int, tuple[Site, str]] = {}  # by port: the site, and its origin there
        self.struck = Counters()
        self._chance = Chance(seed, self.struck)

    def app(self) -> web.Application:
        """What listens on every port of the sites."""
        app = web.Application()
        app.router.add_route("GET", "/{path:.*}", self._serve)
        return app

    async def _serve(self, http: web.Request) -> web.StreamResponse:
        assert http.transport is not None, "a request that is being answered has a connection"
        site, origin = self.sites[http.transport.get_extra_info("sockname")[1]]
        self.tally.asked(site.name, http.path, http.headers.get("User-Agent", ""))
        self.pulse.beat()
        faults = self.faults.get(site.name, SiteFaults())
        if faults.slow is not None and self._chance.strikes(faults.slow):
            await asyncio.sleep(faults.slow.seconds)
        if faults.failing is not None and self._chance.strikes(faults.failing):
            return web.Response(status=faults.failing.status)
        if http.path == "/robots.txt":
            return await self._plain(site, origin, http)
        return await self._tricked(site, origin, http)

    async def _tricked(self, site: Site, origin: str, http: web.Request) -> web.StreamResponse:
        match site.trick:
            case Trick.PRIVATE_REDIRECT:
                return web.Response(status=302, headers={"Location": _INWARD.get(http.path, _METADATA)})
            case Trick.ENDLESS_REDIRECT:
                step = int(http.query.get("step", "0")) + 1
                return web.Response(status=302, headers={"Location": f"/?step={step}"})
            case Trick.HUGE:
                size = HUGE_BYTES if http.path == "/declared" else None
                return await self._sent(site, http, _huge(), {}, size)
            case Trick.BOMB:
                packed = await asyncio.to_thread(_bomb)
                return await self._sent(site, http, _pieces(packed), {"Content-Encoding": "gzip"}, len(packed))
            case Trick.DRIP:
                return await self._sent(site, http, _drip(), {}, None)
        return await self._plain(site, origin, http)

    async def _plain(self, site: Site, origin: str, http: web.Request) -> web.Response:
        content = await asyncio.to_thread(answer, site, origin, http.path)
        status = 200 if content else 404
        content = content or Content(b"<h1>Not found</h1>", "text/html; charset=utf-8")
        self.tally.sent[site.name] += len(content.body)
        return web.Response(body=content.body, status=status, headers={"Content-Type": content.content_type})

    async def _sent(
        self, site: Site, http: web.Request, pieces: AsyncIterator[bytes], headers: dict[str, str], size: int | None
    ) -> web.StreamResponse:
        """Send pieces until they end or the caller has gone."""
        response = web.StreamResponse(headers={"Content-Type": "text/html; charset=utf-8", **headers})
        response.content_length = size
        try:
            await response.prepare(http)
            async for piece in pieces:
                if http.transport is None or http.transport.is_closing():
                    break
                await response.write(piece)
                self.tally.sent[site.name] += len(piece)
            else:
                await response.write_eof()
        except ConnectionError:
            pass  # the caller has seen enough
        return response


async def _huge() -> AsyncIterator[bytes]:
    piece = (b"<p>And another thing about jackets.</p>" * 2000)[:_PIECE]
    for _ in range(HUGE_BYTES // _PIECE):
        yield piece


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]


async def _drip() -> AsyncIterator[bytes]:
    for character in b"<html><body>" + b"." * 100_000:
        yield bytes([character])
        await asyncio.sleep(_DRIP_S)


@cache
def _bomb() -> bytes:
    """As much as the huge page, packed small."""
    return gzip.compress(b"<p>" + bytes(HUGE_BYTES), 1)
