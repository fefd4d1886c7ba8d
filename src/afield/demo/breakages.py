"""The ways in which the demo breaks the session pool, and what a diagnosis has to say of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from afield.model.jsontypes import JsonObject


@dataclass(frozen=True, slots=True)
class Breakage:
    """`faults`: as the simulator takes them. `cause`: what the diagnosis's last sentence has to name."""

    told: str
    cause: str
    faults: JsonObject = field(default_factory=dict)


BREAKAGES = (
    Breakage("Piston takes the port", "Piston holds port 2000 inside the image", {"piston_on_port": True}),
    Breakage("the adapter dies in a container that lives", "the adapter in it is dead", {"adapter_dead": True}),
    Breakage("the target port is wrong", "the adapter listens on 2000", {"wrong_port": 8080}),
    Breakage("the role is taken away", "lacks the role Azure ContainerApps Session Executor", {"role_missing": True}),
    Breakage("the image cannot be pulled", "cannot be pulled", {"image_pull_failed": True}),
)


def named(broken: Breakage, sentence: str) -> bool:
    """Whether a diagnosis names this cause, and none of the others."""
    return [one for one in BREAKAGES if one.cause in sentence] == [broken]
