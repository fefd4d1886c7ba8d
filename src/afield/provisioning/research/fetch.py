"""Fetches pages of one company's website: politely, within limits, and nowhere but on the public internet."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from afield import __version__
from afield.provisioning.research import robots
from afield.provisioning.research.decoding import ACCEPTED, TooMuchError, UnknownPackingError, Unpacker, decode
from afield.provisioning.research.failures import Reason, ScrapeError, of_connection
from afield.provisioning.research.guard import (
    Fence,
    ForbiddenAddressError,
    GuardedResolver,
    check_url,
    guarded_socket,
)
from afield.provisioning.research.robots import Robots

AGENT = "AfieldBot"
USER_AGENT = f"{AGENT}/{__version__} (reads a few public pages to prepare a demo; respects robots.txt)"
HTML = frozenset({"text/html", "application/xhtml+xml"})
STYLE = frozenset({"text/css"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TROUBLE = frozenset({429, *range(500, 600)})
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a site is read. Bytes count unpacked; seconds of a page include its redirects."""

    pages: int = 8
    page_bytes: int = 4 * _MIB
    total_bytes: int = 16 * _MIB
    page_s: float = 10.0
    total_s: float = 45.0
    delay_s: float = 2.0  # the longest wait between pages that is kept for the owner's sake
    redirects: int = 5
    at_once: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where fetching may go, how far, and whom it trusts besides the system's certificate authorities."""

    fence: Fence = field(default_factory=Fence)
    limits: Limits = field(default_factory=Limits)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page as text. `url` is where it was found in the end."""

    url: str
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    url: URL
    status: int
    location: str
    charset: str | None
    body: bytes


class Fetcher:
    """One visit to a site. Use as an async context manager; `page` and `style` raise ScrapeError."""

    def __init__(self, reach: Reach | None = None) -> None:
        self._reach = reach or Reach()
        self._limits = self._reach.limits
        self._left = self._limits.total_bytes
        self._deadline = 0.0
        self._robots: dict[URL, Robots] = {}
        self._asking = asyncio.Lock()
        self._next_turn: dict[URL, float] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        trusted = await asyncio.to_thread(_trust, self._reach.ca_file)
        self._deadline = asyncio.get_running_loop().time() + self._limits.total_s
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(self._reach.fence),
            socket_factory=guarded_socket(self._reach.fence),
            use_dns_cache=False,
            ssl=trusted,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": ACCEPTED, "Accept-Language": "en, *;q=0.5"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def page(self, url: str) -> Page:
        """A page of the site, as far as its owner lets programs read it."""
        return await self._document(url, HTML)

    async def style(self, url: str) -> Page:
        """A style sheet."""
        return await self._document(url, STYLE)

    async def _document(self, url: str, kinds: frozenset[str]) -> Page:
        start = _parsed(url)
        async with _in_time(start, self._limits.page_s, self._deadline):
            answer = await self._followed(start, kinds)
        if answer.status != HTTPStatus.OK:
            raise _unwanted(answer)
        decoded = await asyncio.to_thread(decode, answer.body, answer.charset)
        notes = (f"{answer.url} says it is in {decoded.wrongly_declared} but is in {decoded.encoding}; read as that.",)
        return Page(str(answer.url), decoded.text, notes if decoded.wrongly_declared else ())

    async def _followed(self, url: URL, kinds: frozenset[str]) -> _Answer:
        """The answer at the end of the redirects. Every stop is checked like the first one."""
        at = url
        for _ in range(self._limits.redirects + 1):
            rules = await self._rules(at)
            if not rules.allows(at.raw_path_qs):
                raise ScrapeError(Reason.ROBOTS, at, "robots.txt of the site forbids it")
            await self._turn(at.origin(), rules.delay_s)
            answer = await self._ask(at, kinds, self._limits.page_bytes)
            if answer.status not in _REDIRECTS or not answer.location:
                return answer
            at = _joined(at, answer.location)
        raise ScrapeError(Reason.REDIRECTS, url, f"it redirects more than {self._limits.redirects} times")

    async def _rules(self, url: URL) -> Robots:
        check_url(url, self._reach.fence)
        origin = url.origin()
        async with self._asking:
            if origin not in self._robots:
                self._robots[origin] = await self._ask_rules(url)
        return self._robots[origin]

    async def _ask_rules(self, url: URL) -> Robots:
        """The rules of the site of `url`; what fails here fails for that page."""
        at = url.origin() / "robots.txt"
        for _ in range(self._limits.redirects + 1):
            try:
                answer = await self._ask(at, None, robots.MOST_BYTES)
            except ScrapeError as error:
                what = "robots.txt of the site is too large" if error.reason is Reason.TOO_LARGE else error.what
                raise ScrapeError(error.reason, url, what) from error
            if answer.status in _TROUBLE:
                what = f"robots.txt of the site cannot be had: it answers {answer.status}"
                raise ScrapeError(Reason.UNAVAILABLE, url, what)
            if answer.status not in _REDIRECTS or not answer.location:
                return robots.for_status(answer.status, answer.body.decode("utf-8", "replace"), AGENT)
            at = _joined(at, answer.location)
        return robots.EVERYTHING  # RFC 9309, section 2.3.1.2: more than five redirects are as if it were not there

    async def _turn(self, origin: URL, delay_s: float) -> None:
        """Wait until the owner's wished delay since the last page is over; a long one leaves it at one page."""
        if delay_s <= 0:
            return
        if origin in self._next_turn and delay_s > self._limits.delay_s:
            what = f"robots.txt of the site wishes for {delay_s:g} s between pages, so only one is read"
            raise ScrapeError(Reason.ROBOTS, origin, what)
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next_turn.get(origin, now))
        self._next_turn[origin] = turn + delay_s
        await asyncio.sleep(turn - now)

    async def _ask(self, url: URL, kinds: frozenset[str] | None, most: int) -> _Answer:
        """One request, one answer. Its body is read only if it is of one of `kinds` (None: of any)."""
        assert self._session is not None, "a Fetcher is used as a context manager"
        check_url(url, self._reach.fence)
        try:
            async with self._session.get(
                url,
                headers={"Accept": ", ".join(sorted(kinds)) if kinds else "*/*"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(),
            ) as response:
                wanted = response.status == HTTPStatus.OK and _right_kind(response, kinds)
                body = await self._read(response, most) if wanted else b""
                location = response.headers.get("Location", "")
                return _Answer(url, response.status, location, response.charset, body)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise _told(error, url) from error

    async def _read(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        """The body, or as much as it takes to see that it is too large."""
        said = response.content_length
        try:
            if said is not None and said > most:
                raise TooMuchError
            unpacker = Unpacker(response.headers.get("Content-Encoding", ""), most)
            async for piece in response.content.iter_any():
                self._left -= unpacker.feed(piece)
                if self._left < 0:
                    what = f"the site's pages are more than {self._limits.total_bytes:,} bytes in all"
                    raise ScrapeError(Reason.TOO_LARGE, response.url, what)
            return unpacker.result()
        except TooMuchError:
            what = f"the page is larger than {most:,} bytes"
            raise ScrapeError(Reason.TOO_LARGE, response.url, what) from None
        except UnknownPackingError as error:
            raise ScrapeError(Reason.ENCODING, response.url, str(error)) from error


@asynccontextmanager
async def _in_time(url: URL, seconds: float, deadline: float) -> AsyncIterator[None]:
    """Ends what is inside after some seconds, or when the visit is over, as ScrapeError."""
    end = asyncio.get_running_loop().time() + seconds
    try:
        async with asyncio.timeout_at(min(end, deadline)):
            yield
    except TimeoutError:
        over = "the time for the whole site is over"
        what = f"the page was not complete after {seconds:g} s" if end < deadline else over
        raise ScrapeError(Reason.TOO_SLOW, url, what) from None


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _parsed(url: str) -> URL:
    """An address as people write it: without a scheme, https is meant. Raises ScrapeError."""
    text = url.strip()
    try:
        found = URL(text if "://" in text else f"https://{text}")
        return found.with_path("/") if not found.raw_path and found.absolute else found.with_fragment(None)
    except ValueError:
        raise ScrapeError(Reason.INVALID_URL, text, "this is not an address that can be called") from None


def _joined(url: URL, location: str) -> URL:
    try:
        return url.join(URL(location.strip())).with_fragment(None)
    except ValueError:
        raise ScrapeError(Reason.INVALID_URL, url, "it redirects to what is not an address") from None


def _right_kind(response: aiohttp.ClientResponse, kinds: frozenset[str] | None) -> bool:
    """Raises ScrapeError. An answer without a content type is taken for what was asked for."""
    if kinds is None or "Content-Type" not in response.headers or response.content_type in kinds:
        return True
    what = f"the page is {response.content_type[:60]}, not {' or '.join(sorted(kinds))}"
    raise ScrapeError(Reason.CONTENT_TYPE, response.url, what)


def _unwanted(answer: _Answer) -> ScrapeError:
    try:
        phrase = f" {HTTPStatus(answer.status).phrase}"
    except ValueError:
        phrase = ""
    reason = Reason.UNAVAILABLE if answer.status in _TROUBLE else Reason.STATUS
    return ScrapeError(reason, answer.url, f"the site answers {answer.status}{phrase}")


def _told(error: Exception, url: URL) -> ScrapeError:
    inner = getattr(error, "os_error", None)
    if isinstance(inner, ForbiddenAddressError):
        return ScrapeError(Reason.FORBIDDEN, url, str(inner))
    reason, what = of_connection(error)
    return ScrapeError(reason, url, what)
