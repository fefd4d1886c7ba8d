"""The Demo Story Agent's work: who asks, why, and what the demo is to show."""

from __future__ import annotations

from afield.provisioning.brief import Frozen


class Scene(Frozen):
    """One thing to show: a worry of the persona, and what the data will say about it."""

    title: str
    worry: str
    shows: str


class Rename(Frozen):
    """A name that a language model gave in place of a template's. `place`: the pool of words (`products`), or the
    column (`campaigns.campaign_name`)."""

    place: str
    old: str
    new: str


class Story(Frozen):
    """The demo's story. `sources` are the statements it rests on; `own_words` marks what a template supplied, `renames`
    what a language model did."""

    title: str
    company: str
    persona: str
    opening: str
    scenes: tuple[Scene, ...]
    sources: tuple[str, ...] = ()
    own_words: tuple[str, ...] = ()
    renames: tuple[Rename, ...] = ()
