"""What a language model is asked about a company and its demo: the prompts, and what answers are sent back. Pure.

The instructions are ours alone. What a site or a person said goes into the material, fenced and cut to size.
"""

from __future__ import annotations

from collections.abc import Sequence

from afield.provisioning.brief import Brief
from afield.provisioning.company import About, Company
from afield.provisioning.industries.template import Template
from afield.provisioning.llm.answers import IndustryChoice, Names, Scenes, StoryWords
from afield.provisioning.llm.fence import RULE, Quoted, clipped, fenced
from afield.provisioning.llm.namelists import NameList
from afield.provisioning.llm.port import Task, TaskKind
from afield.provisioning.story import Scene, Story

_MOST = {About.SUMMARY: 3, About.PRODUCT: 20, About.CATEGORY: 15, About.AUDIENCE: 5, About.PLACE: 8, About.NAME: 2}
_STYLE = (
    "Write plain English, as the company itself would. No numbers, no claims about results, no addresses, no markup."
)


def choose_industry(company: Company, brief: Brief, industries: Sequence[Template]) -> Task[IndustryChoice]:
    """Which of the industries a company is in."""
    names = [one.name for one in industries]
    what = {one.name: [one.label, *one.prototypes[:2]] for one in industries}

    def objection(answer: IndustryChoice) -> str:
        return "" if answer.industry in names else f"The industry has to be one of: {', '.join(names)}."

    return Task(
        kind=TaskKind.CHOOSE_INDUSTRY,
        instructions=f"Choose the industry that fits the company best. Choose by what it sells, and to whom. {RULE}",
        material=f"{fenced('industries', what)}\n{_about(company)}\n{_brief(brief)}",
        objection=objection,
    )


def give_names(wanted: NameList, company: Company, brief: Brief, story: Story) -> Task[Names]:
    """Names for one list, in its order."""
    old: list[Quoted] = [
        {"number": number, "now": word, **({"belongs_to": wanted.groups[word]} if word in wanted.groups else {})}
        for number, word in enumerate(wanted.old, 1)
    ]
    return Task(
        kind=TaskKind.GIVE_NAMES,
        instructions=(
            f"Demo data about a company has generic names. Give {len(wanted.old)} better ones, in the list's order, "
            f"each for one {wanted.one} that this company could really have, of the same sort as the one it has now. "
            f"All different, one to five words, 40 letters at most. {_STYLE} {RULE}"
        ),
        material="\n".join((fenced("names", old), _about(company), _brief(brief), fenced("story", story.title))),
    )


def word_story(part: str, story: Story, company: Company, brief: Brief) -> Task[StoryWords]:
    """A title and an opening in the company's tone. `part`: the opening as the template has it."""
    told: dict[str, Quoted] = {"title": story.title, "persona": story.persona, "opening": part}
    return Task(
        kind=TaskKind.WORD_STORY,
        instructions=(
            "Reword the title and the opening of a demo's story for the persona. Say the same, better. The title names "
            f"the company and has 80 letters at most; the opening has one to three sentences. {_STYLE} {RULE}"
        ),
        material="\n".join((fenced("story", told), _about(company), _brief(brief))),
    )


def name_scenes(scenes: Sequence[Scene], story: Story, company: Company, brief: Brief) -> Task[Scenes]:
    """Titles and worries for these scenes."""
    told: list[Quoted] = [
        {"number": number, "title": one.title, "worry": one.worry, "shows": one.shows}
        for number, one in enumerate(scenes, 1)
    ]
    return Task(
        kind=TaskKind.NAME_SCENES,
        instructions=(
            f"A demo for one persona has {len(scenes)} scenes. For each, in order, give a title of two to six words, "
            "and the worry of the persona in one sentence of 160 letters at most. What a scene shows is fixed: the "
            f"worry has to be one that it answers. {_STYLE} {RULE}"
        ),
        material="\n".join((fenced("scenes", told), fenced("persona", story.persona), _about(company), _brief(brief))),
    )


def _about(company: Company) -> str:
    """What the site says, cut to size."""
    said: dict[str, Quoted] = {"company": clipped([company.name], letters=80, most=1)[0]}
    said |= {about.value: clipped(company.said(about), letters=240, most=most) for about, most in _MOST.items()}
    return fenced("website", {name: texts for name, texts in said.items() if texts})


def _brief(brief: Brief) -> str:
    """What the person ordered."""
    wishes: dict[str, Quoted] = {
        "use_case": brief.use_case_context[:2000],
        "industry": brief.industry_hint,
        "persona": brief.target_persona,
        "focus": list(brief.special_focus),
        "avoid": list(brief.avoid_topics),
    }
    return fenced("order", {name: wish for name, wish in wishes.items() if wish})
