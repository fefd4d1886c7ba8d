"""What settings lead to: which project, which credentials, what agents are told of the worker's environment."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from afield.errors import CredentialError, InvalidInputError, UnavailableError
from afield.provisioning.agents.data_agents import LocalDataAgents
from afield.provisioning.agents.places import HERE, Place, data_agents_at, open_warehouse
from afield.provisioning.analytics.google import GoogleDataAgents
from afield.provisioning.llm.account import CHAT, Account
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.llm.usage import Usage
from afield.provisioning.settings import ProvisionSettings, hand_down, handed_down
from afield.provisioning.warehouse.bigquery_credentials import credentials_of

ACCOUNT = "@".join(("demos", "acme-demos.iam.gserviceaccount.com"))


def a_key(folder: Path) -> Path:
    """A service account's key, as Google hands it out; of nobody."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    about = {
        "type": "service_account", "project_id": "acme-demos", "private_key_id": "1", "private_key": private.decode(),
        "client_email": ACCOUNT, "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }  # fmt: skip
    path = folder / "key.json"
    path.write_text(json.dumps(about))
    return path


def test_a_named_file_is_the_credential_of_both_and_says_nothing_when_it_is_none(tmp_path: Path) -> None:
    key = a_key(tmp_path)
    settings = ProvisionSettings(google_credentials=key)
    place = Place("bigquery", "acme-demos", "EU")
    agents = data_agents_at(tmp_path, place, settings)
    assert isinstance(agents, GoogleDataAgents)
    warehouse = open_warehouse(tmp_path, place, settings)
    found = warehouse._connected()._credentials  # type: ignore[attr-defined]
    assert found.service_account_email == ACCOUNT
    transport = agents._clients.agents.transport
    assert transport._credentials.service_account_email == found.service_account_email
    asyncio.run(agents.close())
    asyncio.run(warehouse.close())
    assert credentials_of(None) is None
    key.write_text('{"type": "service_account", "private_key": "very secret"}')
    with pytest.raises(CredentialError, match=r"key\.json is no service") as refused:
        credentials_of(key)
    assert "secret" not in str(refused.value)
    with pytest.raises(CredentialError):
        credentials_of(tmp_path / "missing.json")


def test_the_project_is_the_orders_or_the_installations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with pytest.raises(InvalidInputError, match="which Google Cloud project"):
        ProvisionSettings(warehouse="bigquery").project_for("")
    assert ProvisionSettings(warehouse="bigquery").project_for("mine") == "mine"
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "ours")
    assert ProvisionSettings(warehouse="bigquery").project_for("") == "ours"
    assert ProvisionSettings().project_for("") == ""
    assert ProvisionSettings().project_for("mine") == "mine"


def test_without_bigquery_everything_is_on_this_machine(tmp_path: Path) -> None:
    assert isinstance(data_agents_at(tmp_path), LocalDataAgents)
    warehouse = open_warehouse(tmp_path)
    assert (warehouse.dialect, HERE.in_google) == ("duckdb", False)
    asyncio.run(warehouse.close())


def test_a_library_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "afield.provisioning.warehouse.bigquery", None)
    with pytest.raises(UnavailableError, match=r"afield\[bigquery\]"):
        open_warehouse(tmp_path, Place("bigquery", "acme-demos", "EU"))


@pytest.mark.parametrize(
    ("model", "handed"),
    [
        ("openai:gpt-5-mini", {"OPENAI_API_KEY"}),
        ("openai-responses:gpt-5-mini", {"OPENAI_API_KEY"}),
        ("anthropic:claude", {"ANTHROPIC_API_KEY"}),
        ("llama-of-ours", set()),
        (":x", set()),
        ("", set()),
    ],
)
def test_agents_get_the_key_of_their_model_and_no_other(tmp_path: Path, model: str, handed: set[str]) -> None:
    keys = {"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b", "SOME_API_KEY": "c", "_API_KEY": "d"}
    hand_down(tmp_path, keys | {"AFIELD_LLM_MODEL": model, "AFIELD_SECRET_KEY": "e"})
    assert set(handed_down(tmp_path)) == handed | {"AFIELD_LLM_MODEL"}


def test_an_account_adds_up_and_bears_half_lines(tmp_path: Path) -> None:
    account = Account(tmp_path / "job")
    assert account.by_asker() == {}
    one = Usage(requests=1, input_tokens=10, output_tokens=2, cost=0.5)
    for who in ("Research Agent", "Research Agent", CHAT):
        account.book(who, one)
    with (tmp_path / "job" / "usage.jsonl").open("ab") as file:
        file.write(b'{"who":"Research')
    assert account.by_asker() == {"Research Agent": one + one, CHAT: one}
    assert account.spent() == one + one
    assert account.summary() == {
        "requests": 3, "input_tokens": 30, "output_tokens": 6, "cost": 1.5,
        "by": {"Research Agent": (one + one).model_dump(), CHAT: one.model_dump()},
    }  # fmt: skip


def test_a_model_is_told_from_its_namesake_elsewhere() -> None:
    here = LlmSettings(model="llama", base_url="http://127.0.0.1:1/v1")
    assert {LlmSettings(model="llama").identity, here.identity, LlmSettings().identity} == {
        "llama", "llama at http://127.0.0.1:1/v1", "",
    }  # fmt: skip
