"""People and programs that call Afield, and what each role may do. Pure but for the randomness of a token."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What somebody may want to do."""

    READ = "read"  # see everything but secrets, and diagnose without running anything
    APPROVE = "approve"  # answer for steps that wait for a person
    RUN = "run"  # start and control executions and sessions, repair differences
    RESTART = "restart"  # stop or restart a whole machine
    ADMINISTER = "administer"  # targets, credentials, accounts, webhooks, people


class Role(StrEnum):
    """What somebody is to this installation."""

    VIEWER = "viewer"
    APPROVER = "approver"
    OPERATOR = "operator"
    ADMIN = "admin"


_MAY: Mapping[Role, frozenset[Action]] = {
    Role.VIEWER: frozenset({Action.READ}),
    Role.APPROVER: frozenset({Action.READ, Action.APPROVE}),
    Role.OPERATOR: frozenset({Action.READ, Action.APPROVE, Action.RUN, Action.RESTART}),
    Role.ADMIN: frozenset(Action),
}


def may(role: Role, action: Action) -> bool:
    """Whether the role allows the action."""
    return action in _MAY[role]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling."""

    name: str
    role: Role


def new_token() -> str:
    """A token of 256 random bits. It is shown once; only its digest is kept."""
    return f"afield_{secrets.token_urlsafe(32)}"


def token_digest(token: str) -> bytes:
    """What is kept of a token. It is random and long, so a plain digest gives nothing away."""
    return hashlib.sha256(token.encode()).digest()
