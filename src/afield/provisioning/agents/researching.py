"""The Research Agent."""

from __future__ import annotations

from afield.provisioning.agents.base import Agent, Bench, Summary
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.writing import tell_all, writing
from afield.provisioning.assets import Shelf
from afield.provisioning.brief import Brief, Frozen
from afield.provisioning.company import Company
from afield.provisioning.llm.industry import choose
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.pipeline import JobOrder
from afield.provisioning.progress import Severity
from afield.provisioning.research.agent import research
from afield.provisioning.research.fetch import Reach
from afield.provisioning.research.guard import Fence
from afield.provisioning.settings import ProvisionSettings


def reach_of(settings: ProvisionSettings) -> Reach:
    """Where this installation fetches from."""
    return Reach(fence=Fence(loopback=settings.allow_loopback), ca_file=settings.ca_file)


class ResearchInput(Frozen):
    """The order; all there is at first."""

    brief: Brief


class ResearchAgent(Agent[ResearchInput, Company]):
    """Reads the company's website. A language model, if there is one, chooses the industry."""

    name = AgentName.RESEARCH
    output = Company

    def gather(self, order: JobOrder, shelf: Shelf) -> ResearchInput:
        return ResearchInput(brief=order.brief)

    async def work(self, given: ResearchInput, bench: Bench) -> Company:
        bench.tell.progress(0.0, f"Reading {given.brief.customer_url}")
        company = await research(given.brief, reach_of(bench.settings), bench.tell.progress)
        async with writing(bench, self.name) as writer:
            if writer is None:
                return company
            chosen = await choose(writer, company, given.brief)
        severity = Severity.INFO if chosen.industry.by_model else Severity.WARNING
        tell_all(bench, chosen.notes[len(company.notes) :], severity)
        return chosen

    def beside(self, order: JobOrder, llm: LlmSettings) -> str:
        return llm.identity

    def summary(self, made: Company) -> Summary:
        guess = made.industry
        message = f"{made.name}: {guess.industry}, {len(made.statements)} statements from {len(made.pages)} pages"
        unknown: list[str] = [about.value for about in made.unknown]
        return Summary(
            message=message,
            data={"company_name": made.name, "industry": guess.industry, "unknown": list(unknown)},
        )
