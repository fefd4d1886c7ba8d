"""Which database, and what a query looks like, checked before anything is recorded."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from afield.connectors.base import StrictModel


class SslMode(StrEnum):
    """libpq's `sslmode`."""

    DISABLE = "disable"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


Name = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$", max_length=63)]


class PostgresAddress(StrictModel):
    """One database. User and password are in the credential."""

    host: str = Field(min_length=1, max_length=255, description="A host name, or the folder of a Unix socket.")
    port: int = Field(default=5432, ge=1, le=65_535)
    database: str = Field(min_length=1, max_length=63)
    sslmode: SslMode = SslMode.VERIFY_FULL
    sslrootcert: str = Field(default="system", description="File with the CA's certificates, or `system`.")
    attempts_schema: Name = Field(default="afield", description="Where the table afield_attempt is, or is made.")
    connect_timeout_s: int = Field(default=10, ge=2, le=120)  # libpq takes whole seconds, two at least

    @model_validator(mode="before")
    @classmethod
    def _no_ca_for_less(cls, given: object) -> object:
        """libpq takes `system` with full verification alone."""
        if isinstance(given, dict) and given.get("sslmode", SslMode.VERIFY_FULL) != SslMode.VERIFY_FULL:
            return {"sslrootcert": "", **given}
        return given


_COMMENT = re.compile(r"\s+|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/")
_WORD = re.compile(r"[A-Za-z]+")
_TRANSACTIONS = {"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "prepare"}
_SESSIONS = {"set", "reset", "discard", "copy", "listen", "unlisten"}


def first_word(query: str) -> str:
    """The keyword a statement begins with, in small letters; comments aside."""
    at = 0
    while comment := _COMMENT.match(query, at):
        at = comment.end()
    word = _WORD.match(query, at)
    return word.group().lower() if word else ""


def _one_query(query: str) -> str:
    word = first_word(query)
    if word in _TRANSACTIONS | _SESSIONS:
        raise ValueError(f"{word.upper()} cannot be run as a step: queries run in a transaction of the connector's own")
    if "\0" in query:
        raise ValueError("must not contain a NUL character")
    return query


Scalar = bool | int | float | str | None


class PostgresSpec(StrictModel):
    """One statement."""

    query: Annotated[str, AfterValidator(_one_query)] = Field(min_length=1, max_length=1_000_000)
    parameters: dict[str, Scalar] | list[Scalar] | None = Field(
        default=None, description="For %(name)s or %s in the query. Without them, % needs no doubling."
    )
    timeout_s: float = Field(default=300, gt=0, le=86_400)
    read_only: bool = True
    max_rows: int = Field(default=1000, ge=0, le=10_000, description="Rows kept as the output.")
    expect_rows: int | None = Field(default=None, ge=0, description="Rows returned or changed; else it has failed.")

    @model_validator(mode="after")
    def _parameters_without_nul(self) -> Self:
        values = self.parameters.values() if isinstance(self.parameters, dict) else self.parameters or ()
        if any(isinstance(value, str) and "\0" in value for value in values):
            raise ValueError("parameters: PostgreSQL takes no NUL character in a text")
        return self
