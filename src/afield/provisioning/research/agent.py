"""The Research Agent's work: visit a site, read a few of its pages, say what the company is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import structlog

from afield.provisioning.brief import Brief
from afield.provisioning.company import Company
from afield.provisioning.embedding.embedder import best_embedder
from afield.provisioning.industries.library import industries
from afield.provisioning.research.choosing import choose
from afield.provisioning.research.failures import ScrapeError
from afield.provisioning.research.fetch import Fetcher, Reach
from afield.provisioning.research.profile import profile
from afield.provisioning.research.reading import Reading, read

OnProgress: TypeAlias = Callable[[float, str], None]
_DETAILS = 3  # pages kept for what the offer's pages lead to
_log = structlog.get_logger()


async def research(brief: Brief, reach: Reach | None = None, on_progress: OnProgress = lambda _, __: None) -> Company:
    """The company behind the brief's address. `on_progress` gets shares of the work, 0 to 1, and what was done.

    Tests against this machine's own sites pass `Reach(fence=Fence(loopback=True))`. Raises ScrapeError if the first
    page cannot be read, or if nothing can be told from the site; pages that fail later are named in the notes.
    """
    used = reach or Reach()
    async with Fetcher(used) as fetcher:
        visit = _Visit(fetcher, used.limits.pages, used.limits.at_once, on_progress)
        await visit.begin(brief.customer_url)
        await visit.go_on(used.limits.pages - 1 - _DETAILS)
        await visit.go_on(used.limits.pages)
    on_progress(0.8, f"Read {len(visit.readings)} pages")
    company = await asyncio.to_thread(_company, brief, visit.readings, visit.notes)
    _log.info("site_researched", url=company.url, pages=len(company.pages), industry=company.industry.industry)
    on_progress(1.0, f"{company.name}: {company.industry.industry}")
    return company


class _Visit:
    """The pages read so far, and those asked for."""

    def __init__(self, fetcher: Fetcher, pages: int, at_once: int, on_progress: OnProgress) -> None:
        self._fetcher = fetcher
        self._pages = pages
        self._slots = asyncio.Semaphore(at_once)
        self._on_progress = on_progress
        self._asked: list[str] = []
        self.readings: list[Reading] = []
        self.notes: list[str] = []

    async def begin(self, url: str) -> None:
        """Read the first page. Raises ScrapeError."""
        page = await self._fetcher.page(url)
        self.notes += page.notes
        self._asked.append(page.url)
        self._add(await asyncio.to_thread(read, page.url, page.text))

    async def go_on(self, most: int) -> None:
        """Read up to `most` more of the pages that those read so far lead to."""
        links = [link for reading in self.readings for link in reading.links]
        chosen = choose(links, self._asked, max(0, min(most, self._pages - len(self._asked))))
        self._asked += chosen
        for reading in await asyncio.gather(*(self._further(url) for url in chosen)):
            if reading is not None:
                self._add(reading)

    async def _further(self, url: str) -> Reading | None:
        async with self._slots:
            try:
                page = await self._fetcher.page(url)
            except ScrapeError as error:
                self.notes.append(f"{error.url} could not be read: {error.what}.")
                return None
            self.notes += page.notes
            return await asyncio.to_thread(read, page.url, page.text)

    def _add(self, reading: Reading) -> None:
        if all(reading.url != other.url for other in self.readings):
            self.readings.append(reading)
            self._on_progress(0.75 * len(self.readings) / self._pages, f"Read {reading.url}")


def _company(brief: Brief, readings: list[Reading], notes: list[str]) -> Company:
    return profile(brief, readings, industries(), best_embedder(), notes)
