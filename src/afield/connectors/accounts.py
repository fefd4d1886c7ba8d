"""The contract of cloud accounts: places where machines can be found. Found by the entry point group `afield.accounts`.

An account only reads. What it finds are machines, each with the connector and the address that make a target of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar, Generic, Self, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from afield.clock import Clock
from afield.connectors.base import Check
from afield.connectors.tokens import TokenSource
from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonObject

GROUP = "afield.accounts"

AddressT = TypeVar("AddressT", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine as its account shows it."""

    remote_id: str  # unique in the account; ids that differ only in case are the same
    name: str
    connector: str  # of a target for it
    address: JsonObject  # of a target for it
    kind: str = ""  # the system on it: `Linux`, `Windows`; verbatim
    location: str = ""
    group: str = ""
    power: str = ""  # verbatim; empty: not told
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Trail:
    """How a discovery goes, written by the account while it runs."""

    way: str = ""  # how the machines were found, in words
    complete: bool = False  # every machine that the account lets us see was shown
    problem: str = ""  # why it is not complete
    notes: list[str] = field(default_factory=list)  # what else is worth a word: a way that was refused


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountContext:
    """All that an account knows of what it works for."""

    account_id: UUID
    name: str
    address: JsonObject
    secret: Mapping[str, str]  # the credential's values, in clear; never logged
    tokens: TokenSource
    clock: Clock


class Account(ABC, Generic[AddressT]):
    """One cloud's way to show its machines, bound to one account there.

    Raises CredentialError where a person has to act on the credential; everything else that the cloud may do is said in
    answers.
    """

    name: ClassVar[str]
    Address: type[AddressT]  # read from the class; instances never set it

    @classmethod
    @abstractmethod
    async def open(cls, context: AccountContext) -> Self:
        """Bind to an account. Makes no remote call."""

    async def close(self) -> None:
        """Let go of connections."""

    @abstractmethod
    def check(self) -> Sequence[Check]:
        """The checks that test the connection, in order. All of them only read."""

    @abstractmethod
    def discover(self, trail: Trail) -> AsyncIterator[Machine]:
        """The machines, as they are found. A discovery that breaks off ends, and says why in the trail."""


AnyAccount: TypeAlias = Account[BaseModel]

_registered: dict[str, type[AnyAccount]] = {}


def register_account(account: type[AnyAccount]) -> None:
    """Make a kind of account known in this process only, as tests do."""
    _registered[account.name] = account


@cache
def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@cache
def _load(entry: EntryPoint) -> type[AnyAccount]:
    loaded: type[AnyAccount] = entry.load()
    return loaded


def preload_accounts() -> None:
    """Find and import all installed kinds, so that this is not done later, on an event loop."""
    for entry in _installed().values():
        _load(entry)


def account_kinds() -> list[str]:
    """The kinds of accounts that can be used here, sorted."""
    return sorted(_installed().keys() | _registered.keys())


def account_class(kind: str) -> type[AnyAccount]:
    """The accounts of that kind. Raises InvalidInputError naming those there are."""
    if kind in _registered:
        return _registered[kind]
    if kind in _installed():
        return _load(_installed()[kind])
    known = ", ".join(account_kinds()) or "none"
    raise InvalidInputError(f"There is no kind of account {kind!r}.", hint=f"Known here: {known}.")


def check_account_address(kind: str, address: JsonObject) -> JsonObject:
    """The address with defaults filled in. Raises InvalidInputError saying which field is wrong."""
    try:
        checked: JsonObject = account_class(kind).Address.model_validate(address).model_dump(mode="json")
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in error.errors())
        raise InvalidInputError(f"The address of the {kind} account is not valid: {problems}.") from error
    return checked
