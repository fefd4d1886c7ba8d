"""The settings, from environment variables that start with `AFIELD_`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    CONSOLE = "console"


class Settings(BaseSettings):
    """What an installation can choose. Every field is read from `AFIELD_<NAME IN CAPITALS>`."""

    model_config = SettingsConfigDict(env_prefix="AFIELD_", frozen=True, extra="ignore")

    home: Path = Field(
        default=Path("~/.afield"),
        description="Folder of what Afield keeps on this machine: the embedded database, artifacts, the key file.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="URL of a PostgreSQL 15 or later, postgresql://user:password@host:port/name. Default: a private "
        "server under `home`.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Key that encrypts credentials: 32 bytes in base64, or a passphrase of at least 16 characters. "
        "Default: the file `secret.key` under `home`, made at first use.",
    )
    artifacts_url: str | None = Field(
        default=None,
        description="Where outputs are kept: s3://, az://, gs://, file:// or memory:// URL. Default: `home`/artifacts.",
    )
    takeover_after: float = Field(
        default=60.0, gt=0, description="Seconds without a sign of life after which another worker takes over a target."
    )
    reconcile_every: float = Field(
        default=900.0,
        ge=0,
        description="Seconds between two scheduled comparisons of a target that had work lately; 0: none are made.",
    )
    host: str = Field(default="127.0.0.1", description="Address the web process listens on.")
    port: int = Field(default=8321, ge=0, le=65535, description="TCP port the web process listens on; 0: a free one.")
    api_token: SecretStr | None = Field(
        default=None, description="Bearer token that callers of the API must present. Default: none is asked for."
    )
    code_pool: str | None = Field(
        default=None,
        description="The target that code runs in when none is named. Default: the pool of this machine.",
    )
    log_level: str = Field(
        default="INFO",
        pattern="^(?i:debug|info|warning|error|critical)$",
        description="Least severe level that is logged: debug, info, warning, error or critical.",
    )
    log_format: LogFormat = Field(
        default=LogFormat.JSON, description="`json`: one object a line; `console`: for reading by eye."
    )
    pool_size: int = Field(default=8, ge=2, le=100, description="Database connections a process holds at most.")

    @property
    def home_folder(self) -> Path:
        """`home`, absolute."""
        return self.home.expanduser().absolute()
