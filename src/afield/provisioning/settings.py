"""What an installation can choose about provisioning, and how agent processes come to know it.

Agent processes get nothing of the worker's environment but the path of Afield's home: they have no database and no
key. What they do need of it (limits, the key of a language model) the worker writes down for them, in a file that only
its user can read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import orjson
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from afield.errors import InvalidInputError
from afield.provisioning.warehouse.base import Dialect

_HANDED_DOWN = ("AFIELD_PROVISION_", "AFIELD_LLM_", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT")
_FILE = "environment.json"


class ProvisionSettings(BaseSettings):
    """Every field is read from `AFIELD_PROVISION_<NAME IN CAPITALS>`."""

    model_config = SettingsConfigDict(env_prefix="AFIELD_PROVISION_", frozen=True, extra="ignore")

    rows: int = Field(default=100_000, ge=5_000, le=20_000_000, description="Rows of facts a demo gets.")
    agents: int = Field(
        default_factory=lambda: max(2, os.cpu_count() or 1),
        ge=1,
        le=256,
        description="Agent processes at once. Read when the first job is started; later, change the target "
        "`provisioning`. Default: one for each processor, two at least.",
    )
    memory_mb: int = Field(default=3072, ge=256, description="Resident memory of one agent process, in MiB.")
    niceness: int = Field(
        default=10, ge=0, le=19, description="How far agent processes give way to the web process; 0: not at all."
    )
    keep_days: float = Field(default=30.0, gt=0, le=3650, description="Days until a job's data is deleted.")
    allow_loopback: bool = Field(
        default=False, description="For tests only: websites on this machine may be researched."
    )
    ca_file: Path | None = Field(
        default=None, description="Certificate authorities that websites may be signed by, beside the system's."
    )
    chat_seconds: float = Field(default=20.0, gt=0, le=600, description="Time one question in the chat may take.")
    warehouse: Dialect = Field(
        default="duckdb",
        description="Where new demos go: `duckdb`, files of this machine, answered by the local chat; `bigquery`, with "
        "a data agent in Google's Conversational Analytics API.",
    )
    google_project: str = Field(
        default_factory=lambda: os.environ.get("GOOGLE_CLOUD_PROJECT", ""),
        max_length=100,
        description="The Google Cloud project of demos that name none. Default: `GOOGLE_CLOUD_PROJECT`.",
    )
    google_location: str = Field(
        default="US", min_length=1, max_length=50, description="Where BigQuery keeps the data."
    )
    google_credentials: Path | None = Field(
        default=None,
        description="A service account's key, as a file. Not set: Google's own way to find a credential, which begins "
        "with `GOOGLE_APPLICATION_CREDENTIALS`.",
    )
    google_endpoint: str = Field(
        default="",
        description="Another address than Google's for BigQuery and for data agents, such as a simulator's. No "
        "credential is sent there.",
    )
    scanned_bytes: int = Field(
        default=1_000_000_000, ge=1, description="Bytes one query may read in BigQuery, and the most that it is billed."
    )

    def project_for(self, wanted: str) -> str:
        """The project a new demo goes to; without BigQuery, what was asked for is kept. Raises InvalidInputError."""
        if self.warehouse == "bigquery" and not (wanted or self.google_project):
            hint = "Give a project_id, or set AFIELD_PROVISION_GOOGLE_PROJECT."
            raise InvalidInputError("Nobody said which Google Cloud project the demo goes to.", hint=hint)
        return wanted or (self.google_project if self.warehouse == "bigquery" else "")


def provisioning_home(home: Path) -> Path:
    """Where all of provisioning's files are."""
    return home / "provisioning"


def hand_down(home: Path, environment: Mapping[str, str]) -> None:
    """Write down for agent processes what they need of the worker's environment. Blocks."""
    folder = provisioning_home(home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    wanted = (*_HANDED_DOWN, *_keys(environment.get("AFIELD_LLM_MODEL", "")))
    chosen = {name: value for name, value in environment.items() if name.startswith(wanted)}
    new = folder / f".{_FILE}.{os.getpid()}"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(orjson.dumps(chosen))
    new.replace(folder / _FILE)


def _keys(model: str) -> tuple[str, ...]:
    """The variable in which a provider's own library looks for its key: `OPENAI_API_KEY` for `openai:...`."""
    provider, colon, _ = model.partition(":")
    return (f"{provider.partition('-')[0].upper()}_API_KEY",) if provider and colon else ()


def handed_down(home: Path) -> dict[str, str]:
    """What the worker wrote down; nothing, if none did. Blocks."""
    try:
        found = orjson.loads((provisioning_home(home) / _FILE).read_bytes())
    except FileNotFoundError:
        return {}
    return {str(name): str(value) for name, value in found.items()}
