"""Letting a language model reword a story and name its things. What it does not do well stays the template's.

What the person ordered is not reworded: the focus, the use case, the integrations. Nor is what a scene shows: that is
what the data has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afield.provisioning.brief import Brief
from afield.provisioning.company import Company
from afield.provisioning.datamodel import DataModel
from afield.provisioning.industries.focus import wishes
from afield.provisioning.industries.library import template
from afield.provisioning.industries.topics import Topics
from afield.provisioning.industries.vocabulary import vocabulary
from afield.provisioning.llm.answers import SceneWords, StoryWords, so_many_names, so_many_scenes
from afield.provisioning.llm.errors import WriterError
from afield.provisioning.llm.namelists import NameList, namelists
from afield.provisioning.llm.naming import Naming, chosen, renamed, replaced
from afield.provisioning.llm.port import Writer
from afield.provisioning.llm.tasks import give_names, name_scenes, word_story
from afield.provisioning.llm.wording import flaw, tidy
from afield.provisioning.modeling import base_model
from afield.provisioning.story import Rename, Scene, Story

_MOST_TITLE, _MOST_OPENING, _MOST_WORRY = 120, 500, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Retold:
    """A story, and what was not taken over, or not done, each in a sentence."""

    story: Story
    said: tuple[str, ...] = ()


async def retell(writer: Writer, brief: Brief, company: Company, story: Story) -> Retold:
    """The story with names, words and scenes of the language model, as far as they are good. Raises no WriterError."""
    teller = _Teller(writer, brief, company)
    story = await teller.with_names(story)
    story = await teller.with_words(story)
    story = await teller.with_scenes(story)
    return Retold(story=story, said=tuple(teller.said))


class _Teller:
    def __init__(self, writer: Writer, brief: Brief, company: Company) -> None:
        self._writer = writer
        self._brief = brief
        self._company = company
        self._topics = Topics(brief.avoid_topics)
        self.said: list[str] = []

    # ----------------------------------------------------------------------------------------------------------- names

    async def with_names(self, story: Story) -> Story:
        """Names for what has only a template's."""
        model = base_model(self._brief, self._company)
        for wanted in namelists(story, model):
            naming = await self._named(wanted, model, story)
            new, flaws = renamed(model, naming.renames)
            self.said += [*naming.said, *flaws]
            if not flaws:
                model, story = new, self._carrying(story, naming.renames)
        return story

    async def _named(self, wanted: NameList, model: DataModel, story: Story) -> Naming:
        task = give_names(wanted, self._company, self._brief, story)
        try:
            answer = await self._writer.complete(task, so_many_names(len(wanted.old)))
        except WriterError as error:
            return Naming(said=[f"The template's words stay for {wanted.place}: {error.message}"])
        return chosen(wanted, answer.names, model, self._brief)

    def _carrying(self, story: Story, renames: Sequence[Rename]) -> Story:
        """The names stand in the story wherever the template spoke, not in the person's own words."""
        part = self._part(story)
        gone = {f"{one.place}: {one.old}" for one in renames}
        return story.model_copy(
            update={
                "opening": story.opening.replace(part, replaced(part, renames), 1) if part else story.opening,
                "scenes": tuple(_with_names(one, renames) if self._ours(one) else one for one in story.scenes),
                "own_words": tuple(word for word in story.own_words if word not in gone),
                "renames": (*story.renames, *renames),
            }
        )

    def _part(self, story: Story) -> str:
        """The template's part of the opening, as it reads now."""
        form = template(self._company.industry.industry)
        text = vocabulary(self._brief, self._company, form).fill(form.opening)
        part = replaced(self._topics.without(" ".join(text.split())), story.renames)
        return part if part and story.opening.startswith(part) else ""

    def _ours(self, scene: Scene) -> bool:
        """The template's, not one that the person asked for."""
        return scene.title.lower() not in {wish.lower() for wish in wishes(self._brief)}

    # ----------------------------------------------------------------------------------------------------------- words

    async def with_words(self, story: Story) -> Story:
        """Another title and opening."""
        part = self._part(story)
        if not part:
            return story
        try:
            answer = await self._writer.complete(word_story(part, story, self._company, self._brief), StoryWords)
        except WriterError as error:
            self.said.append(f"The template's words stay for the story: {error.message}")
            return story
        title = story.title if wishes(self._brief) else self._taken("title", answer.title, story.title, _MOST_TITLE)
        opening = self._taken("opening", answer.opening, part, _MOST_OPENING)
        return story.model_copy(update={"title": title, "opening": story.opening.replace(part, opening, 1)})

    # ---------------------------------------------------------------------------------------------------------- scenes

    async def with_scenes(self, story: Story) -> Story:
        """Other titles and worries for the template's scenes."""
        ours = [scene for scene in story.scenes if self._ours(scene)]
        if not ours:
            return story
        task = name_scenes(ours, story, self._company, self._brief)
        try:
            answer = await self._writer.complete(task, so_many_scenes(len(ours)))
        except WriterError as error:
            self.said.append(f"The template's words stay for the scenes: {error.message}")
            return story
        new = dict(zip((one.title for one in ours), answer.scenes, strict=True))
        scenes = tuple(self._scene(one, new[one.title]) if one.title in new else one for one in story.scenes)
        if len({one.title.lower() for one in scenes}) < len(scenes):
            self.said.append("The template's words stay for the scenes: two had the same title.")
            return story
        return story.model_copy(update={"scenes": scenes})

    def _scene(self, scene: Scene, words: SceneWords) -> Scene:
        title = self._taken(f"scene {scene.title!r}", words.title, scene.title, 80)
        worry = self._taken(f"worry of {scene.title!r}", words.worry, scene.worry, _MOST_WORRY)
        return scene.model_copy(update={"title": title, "worry": worry})

    def _taken(self, what: str, text: str, before: str, most: int) -> str:
        """The new text, or the one before with the reason."""
        new = tidy(text)
        why = flaw(new, most=most, known=f"{before} {self._company.name}")
        if not why and self._topics.mentioned_in(new):
            why = "it speaks of what is to be avoided"
        if why:
            self.said.append(f"The template's words stay for the {what}: {why}.")
        return before if why else new


def _with_names(scene: Scene, renames: Sequence[Rename]) -> Scene:
    texts = {name: replaced(getattr(scene, name), renames) for name in ("title", "worry", "shows")}
    return scene.model_copy(update=texts)
