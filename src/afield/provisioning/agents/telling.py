"""The Demo Story Agent."""

from __future__ import annotations

from afield.provisioning.agents.base import Agent, Bench, Summary
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.writing import tell_all, writing
from afield.provisioning.assets import Shelf
from afield.provisioning.brief import Brief, Frozen
from afield.provisioning.company import Company
from afield.provisioning.llm.retelling import retell
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.pipeline import JobOrder
from afield.provisioning.story import Story
from afield.provisioning.storytelling import story_for


class StoryInput(Frozen):
    """The order and what is known of the company."""

    brief: Brief
    company: Company


class StoryAgent(Agent[StoryInput, Story]):
    """Writes what the demo is to show. A language model, if there is one, rewords it and names things."""

    name = AgentName.STORY
    output = Story

    def gather(self, order: JobOrder, shelf: Shelf) -> StoryInput:
        return StoryInput(brief=order.brief, company=shelf.output(AgentName.RESEARCH, Company))

    async def work(self, given: StoryInput, bench: Bench) -> Story:
        story = story_for(given.brief, given.company)
        async with writing(bench, self.name) as writer:
            if writer is None:
                return story
            bench.tell.progress(0.2, "The language model rewords it")
            retold = await retell(writer, given.brief, given.company, story)
        tell_all(bench, retold.said)
        return retold.story

    def beside(self, order: JobOrder, llm: LlmSettings) -> str:
        return llm.identity

    def summary(self, made: Story) -> Summary:
        scenes: list[str] = [scene.title for scene in made.scenes]
        return Summary(message=made.title, data={"persona": made.persona, "scenes": list(scenes)})
