"""Which language model, how to reach it, and what it may cost."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class OutputMode(StrEnum):
    """How a typed answer is asked for."""

    TOOL = "tool"  # as the arguments of a tool
    NATIVE = "native"  # as JSON of a schema: `response_format`
    PROMPTED = "prompted"  # as JSON, with the schema in the text: for servers that know neither


class LlmSettings(BaseSettings):
    """Every field is read from `AFIELD_LLM_<NAME IN CAPITALS>`. Without `model` there is no language model."""

    model_config = SettingsConfigDict(env_prefix="AFIELD_LLM_", frozen=True, extra="ignore", hide_input_in_errors=True)

    model: str = Field(
        default="",
        max_length=200,
        description="With `base_url` the model's name there, else `provider:name`, e.g. `openai:gpt-5-mini`.",
    )
    base_url: str = Field(default="", description="Of an OpenAI-compatible server, e.g. `http://127.0.0.1:11434/v1`.")
    api_key: SecretStr = Field(default=SecretStr(""), description="None: what the provider's own variable says.")
    output: OutputMode = Field(
        default=OutputMode.TOOL,
        description="How a typed answer is asked for: `tool` (arguments of a tool), `native` (JSON of a schema), "
        "`prompted` (the schema in the text).",
    )
    seconds: float = Field(default=30.0, gt=0, le=600, description="Time one task may take, all attempts included.")
    retries: int = Field(default=2, ge=0, le=5, description="How often a wrong answer is sent back, for each task.")
    requests: int = Field(default=40, ge=1, le=1000, description="Answers one job may take.")
    input_tokens: int = Field(default=300_000, ge=1, description="Tokens one job may send.")
    output_tokens: int = Field(default=60_000, ge=1, description="Tokens one job may be answered.")
    price_input: float | None = Field(default=None, ge=0, description="US dollars for a million tokens sent.")
    price_output: float | None = Field(default=None, ge=0, description="US dollars for a million tokens answered.")

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("is no http or https address")
        if parts.username or parts.password or parts.query:
            raise ValueError("carries a credential; give the key as `api_key`")
        return url

    @property
    def configured(self) -> bool:
        """There is a language model."""
        return bool(self.model)

    @property
    def identity(self) -> str:
        """Which model it is; another one gives other answers. Empty without one."""
        return f"{self.model} at {self.base_url}" if self.model and self.base_url else self.model
