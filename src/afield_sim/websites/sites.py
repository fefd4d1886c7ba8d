"""The sites there are: ordinary ones, and those with which something is wrong."""

from dataclasses import dataclass
from enum import StrEnum


class Trick(StrEnum):
    """What is wrong with a site."""

    NONE = "none"
    EXPIRED = "expired_certificate"
    WRONG_HOST = "wrong_host_certificate"
    SELF_SIGNED = "self_signed_certificate"
    PRIVATE_REDIRECT = "private_redirect"
    ENDLESS_REDIRECT = "endless_redirect"
    HUGE = "huge_page"
    BOMB = "packed_bomb"
    DRIP = "slow_drip"
    ROBOTS = "robots_refusal"
    INJECTION = "prompt_injection"
    PLAIN = "no_structured_data"
    JAVASCRIPT = "javascript_only"
    ENCODING = "wrong_encoding"


@dataclass(frozen=True, slots=True)
class Site:
    """One site: its name, the company it shows, what is wrong with it."""

    name: str
    company: str
    trick: Trick = Trick.NONE


ORDINARY = (
    "fjordwear", "limoncella", "harbourhill", "kestrel", "tallyboard", "marea", "stmaren",
    "northlake", "quickhaul", "brenner", "solwind", "lantern", "voxline", "pixelfox",
)  # fmt: skip
SITES = (
    *(Site(name, name) for name in ORDINARY),
    Site("expired", "fjordwear", Trick.EXPIRED),
    Site("wronghost", "limoncella", Trick.WRONG_HOST),
    Site("selfsigned", "quickhaul", Trick.SELF_SIGNED),
    Site("inward", "fjordwear", Trick.PRIVATE_REDIRECT),
    Site("carousel", "fjordwear", Trick.ENDLESS_REDIRECT),
    Site("huge", "fjordwear", Trick.HUGE),
    Site("bomb", "fjordwear", Trick.BOMB),
    Site("drip", "fjordwear", Trick.DRIP),
    Site("closed", "harbourhill", Trick.ROBOTS),
    Site("greenfork", "greenfork", Trick.INJECTION),
    Site("aldermill", "aldermill", Trick.PLAIN),
    Site("cloudherd", "cloudherd", Trick.JAVASCRIPT),
    Site("ecluse", "ecluse", Trick.ENCODING),
)
"""Every site there is."""
