"""What the ladder is made of: ports and images read right, commands that fit, tokens and roles understood."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from pool_ladder_fake import CUSTOM, EXECUTE, GRANTS, NAMED, POOL_ID, ROLE_ID, answer, ported, resource, token

from afield.connectors.session_pool.checks_role import read_role
from afield.connectors.session_pool.evidence import PoolPlace, Reply
from afield.connectors.session_pool.evidence_pool import parse_pool
from afield.connectors.session_pool.remedies_commands import assign_role, new_image, set_port, stop_session
from afield.connectors.session_pool.token_checks import Claims, read_claims


def test_requests_go_to_the_port_that_is_active_not_to_the_one_that_is_wanted() -> None:
    assert parse_pool(ported(2000, 8080)).port == 8080
    assert parse_pool(ported(2000, None)).port is None
    assert parse_pool(resource("templateUpdateStatus", None)).port == 2000


@pytest.mark.parametrize(
    ("image", "new"),
    [
        ("runner:7", "runner:NEW_TAG"),
        ("registry.example.org/a/runner:7@sha256:abc", "registry.example.org/a/runner:NEW_TAG"),
        ("localhost:5000/runner", "localhost:5000/runner:NEW_TAG"),
        ("", "REGISTRY/IMAGE:NEW_TAG"),
        ("runner; rm -rf /", "'runner; rm -rf /:NEW_TAG'"),
    ],
)
def test_a_new_image_gets_a_new_tag(image: str, new: str) -> None:
    place = PoolPlace(pool_id=POOL_ID, probe_identifier="probe-1")
    assert new_image(place, image) == f"az containerapp sessionpool update {NAMED} --image {new}"


def test_what_is_not_known_stays_a_word_in_capitals() -> None:
    place = PoolPlace(endpoint=CUSTOM, probe_identifier="probe-1")
    assert (
        stop_session(place)
        == "az containerapp session stop --name p1 --resource-group RESOURCE_GROUP --identifier IDENTIFIER"
    )
    assert set_port(place, 80).startswith("az rest --method patch --url 'POOL_ID?api-version=")
    assert "OBJECT_ID" in assign_role(place, None)


@pytest.mark.parametrize(
    ("kind", "claims"),
    [("User", {"idtyp": "user"}), ("User", {"upn": "a@b"}), ("ServicePrincipal", {"idtyp": "app"})],
)
def test_a_role_is_assigned_to_who_the_token_is_for(kind: str, claims: dict[str, str]) -> None:
    command = assign_role(PoolPlace(pool_id=POOL_ID, probe_identifier="probe-1"), read_claims(token(**claims)))
    assert f"--assignee-object-id oid-1 --assignee-principal-type {kind} " in command


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "a.!!.c", "a.bnVsbA.c", "a.WzFd.c", "a.e30"])
def test_what_is_no_token_has_no_claims(text: str) -> None:
    assert read_claims(text) is None


@pytest.mark.parametrize("when", [True, "soon", 1e400, -1e20, float("nan"), None, [1]])
def test_a_time_in_a_token_that_is_none_is_not_told(when: Any) -> None:
    assert _claims(exp=when).expires_at is None


def _claims(**told: Any) -> Claims:
    found = read_claims(f"a.{urlsafe_b64encode(json.dumps(told).encode()).rstrip(b'=').decode()}.c")
    return found if found is not None else Claims()


@pytest.mark.parametrize(
    ("assigned", "permissions", "given"),
    [
        ([{"properties": {"roleDefinitionId": ROLE_ID.upper()}}], answer(403), True),
        ([{"properties": {"roleDefinitionId": "/x/other"}}], answer(403), False),
        (None, answer(body=GRANTS), True),
        (None, answer(403), None),
        ([], answer(body={"value": [{"dataActions": ["Microsoft.App/*"], "notDataActions": [EXECUTE]}]}), False),
        ([], answer(body={"value": [{"dataActions": ["microsoft.app/sessionpools/*/action"]}]}), True),
    ],
)
def test_the_role_by_its_assignment_or_by_what_another_role_allows(
    assigned: list[Any] | None, permissions: Reply, given: bool | None
) -> None:
    assignments = None if assigned is None else answer(body={"value": assigned})
    assert read_role(assignments, permissions).given is given
