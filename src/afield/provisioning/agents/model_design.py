"""The Data Modeling Agent."""

from __future__ import annotations

from afield.errors import InvalidInputError
from afield.provisioning.agents.base import Agent, Bench, Summary
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.writing import tell_all
from afield.provisioning.assets import Shelf
from afield.provisioning.brief import Brief, Frozen
from afield.provisioning.company import Company
from afield.provisioning.datamodel import DataModel
from afield.provisioning.llm.naming import renamed
from afield.provisioning.modeling import model_for
from afield.provisioning.pipeline import JobOrder
from afield.provisioning.soundness import unsound
from afield.provisioning.story import Story


class ModelInput(Frozen):
    """The order, the company and the story."""

    brief: Brief
    company: Company
    story: Story


class ModelAgent(Agent[ModelInput, DataModel]):
    """Designs the tables and what can be asked of them."""

    name = AgentName.MODEL
    output = DataModel

    def gather(self, order: JobOrder, shelf: Shelf) -> ModelInput:
        company = shelf.output(AgentName.RESEARCH, Company)
        return ModelInput(brief=order.brief, company=company, story=shelf.output(AgentName.STORY, Story))

    async def work(self, given: ModelInput, bench: Bench) -> DataModel:
        model, kept = renamed(model_for(given.brief, given.company, given.story), given.story.renames)
        tell_all(bench, kept)
        flaws = unsound(model)
        if flaws:
            raise InvalidInputError(f"The model is not sound: {'; '.join(flaws[:3])}", hint="Try another industry.")
        return model

    def summary(self, made: DataModel) -> Summary:
        tables: list[str] = [table.name for table in made.tables]
        counts = {"measures": len(made.measures), "dimensions": len(made.dimensions)}
        return Summary(message=f"{len(tables)} tables: {', '.join(tables)}", data={"tables": list(tables), **counts})
