"""Outputs in the artifact store: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from afield.errors import InvalidInputError, NotFoundError, UnavailableError
from afield.ledger.artifacts import ArtifactStore


@pytest.fixture(params=["folder", "memory", "url"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    url = {"folder": None, "memory": "memory:///", "url": f"file://{tmp_path}/elsewhere"}[request.param]
    return ArtifactStore.open(url, tmp_path)


async def content(store: ArtifactStore, key: str) -> bytes:
    return b"".join([piece async for piece in store.read(key)])


async def test_an_output_of_many_parts(store: ArtifactStore) -> None:
    sink = store.sink("amc/one.csv")
    pieces = [bytes([n]) * 3_000_000 for n in range(8)]
    for piece in pieces:
        await sink.write(piece)
    assert await sink.commit("text/csv") == "amc/one.csv"
    assert await store.size("amc/one.csv") == 24_000_000
    assert await content(store, "amc/one.csv") == b"".join(pieces)


@pytest.mark.parametrize("sizes", [[1], [100_000, 0, 156_000], [262_144], [262_144, 1], [262_145], [200_000, 200_000]])
async def test_small_ones_and_those_that_outgrow_it(store: ArtifactStore, sizes: list[int]) -> None:
    pieces = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
    sink = store.sink("a/b")
    for piece in pieces:
        await sink.write(piece)
        with pytest.raises(NotFoundError):
            await store.size("a/b")
    await sink.commit("text/csv")
    assert await content(store, "a/b") == b"".join(pieces)


async def test_an_empty_output(store: ArtifactStore) -> None:
    assert await store.size(await store.sink("empty").commit("text/plain")) == 0


async def test_a_commit_replaces_and_an_abort_leaves_nothing(store: ArtifactStore, tmp_path: Path) -> None:
    for text in (b"old", b"new"):
        sink = store.sink("x")
        await sink.write(text)
        await sink.commit("text/plain")
    assert await content(store, "x") == b"new"
    for name, size in [("x", 20_000_000), ("y", 20_000_000), ("x", 5), ("y", 5)]:
        sink = store.sink(name)
        await sink.write(b"z" * size)
        await sink.abort()
        await sink.abort()
    assert await content(store, "x") == b"new"
    with pytest.raises(NotFoundError, match="'y'"):
        await content(store, "y")
    with pytest.raises(NotFoundError):
        await store.size("y")
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} <= {"x"}


async def test_a_store_that_cannot_take_it_says_so(tmp_path: Path) -> None:
    store = ArtifactStore.open(None, tmp_path)
    (tmp_path / "artifacts" / "file").write_text("in the way")
    sink = store.sink("file/below")
    with pytest.raises(UnavailableError, match="'file/below'"):
        for _ in range(100):
            await sink.write(b"z" * 1_000_000)
        await sink.commit("text/plain")
    await sink.abort()


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a/../../up"])
def test_names_stay_inside(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        ArtifactStore.open(None, tmp_path).sink(name)


def test_a_bad_url(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="AFIELD_ARTIFACTS_URL"):
        ArtifactStore.open("gopher://x", tmp_path)
