"""The Demo Story Agent's work: who asks, why, and what the demo is to show."""

from __future__ import annotations

from afield.provisioning.brief import Frozen


class Scene(Frozen):
    """One thing to show: a worry of the persona, and what the data will say about it."""

    title: str
    worry: str
    shows: str


class Story(Frozen):
    """The demo's story. `sources` are the statements it rests on; `own_words` marks what a template supplied."""

    title: str
    company: str
    persona: str
    opening: str
    scenes: tuple[Scene, ...]
    sources: tuple[str, ...] = ()
    own_words: tuple[str, ...] = ()
