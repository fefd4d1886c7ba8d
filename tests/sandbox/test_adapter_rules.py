"""The adapter's rules, without a process: versions, paths, what is remembered, files, multipart, frames, the driver."""

# ruff: noqa: E501  tables read best with a line a case

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield_sandbox.adapter.clock import Clock
from afield_sandbox.adapter.errors import BadRequestError, MethodError, NotFoundError, TooLargeError
from afield_sandbox.adapter.interpreter.driver import plain
from afield_sandbox.adapter.interpreter.folder import MOST_BYTES, Folder, clean_name
from afield_sandbox.adapter.interpreter.frames import FrameError, read_answer
from afield_sandbox.adapter.interpreter.multipart import Upload, read_upload
from afield_sandbox.adapter.records import Bounds, Record, Records, Status
from afield_sandbox.adapter.routing import Router
from afield_sandbox.adapter.submissions import digest_of, program_digest
from afield_sandbox.adapter.versions import in_range
from afield_sandbox.errors import BadSubmissionError
from afield_sandbox.model import File, Limits, Submission, Verdict


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("3.12.1", "*", True), ("3.12.1", "", True), ("3.12.1", "x", True), ("3.12.1", "3", True), ("3.12.1", "3.x", True), ("3.12.1", "3.12", True),
        ("3.12.1", "3.12.1", True), ("3.12.1", "3.12.0", False), ("3.12.1", "=3.12.1", True), ("3.12.1", "v3.12.1", True), ("3.12.1", "3.1", False),
        ("3.12.1", "^3.1", True), ("3.12.1", "^3.13", False), ("3.12.1", "^2", False), ("0.2.3", "^0.2.1", True), ("0.3.0", "^0.2.1", False),
        ("3.12.1", "~3.12", True), ("3.12.1", "~3.11", False), ("3.12.1", "~3", True), ("3.12.1", ">=3.12", True), ("3.12.1", ">3.12.0 <3.13", True),
        ("3.12.1", ">3.12", False), ("3.12.1", "<=3.12", True), ("3.12.1", "<3.12.1", False), ("3.12.1", "< 4", True), ("3.12.1", "2 || 3", True),
        ("3.12.1", "latest", False), ("3.12.1", "3.12.1.7", False), ("3.12.1", "2 || nonsense", False), ("5.2", "5.2.x", True), ("3.12.1", "3; rm", False),
    ],
)  # fmt: skip
def test_ranges_of_versions(version: str, wanted: str, expected: bool) -> None:
    assert in_range(version, wanted) is expected


@given(st.lists(st.integers(0, 99), min_size=1, max_size=3), st.text(max_size=12))
def test_a_version_lies_in_its_own_range_and_nonsense_never_fails(numbers: list[int], nonsense: str) -> None:
    version = ".".join(map(str, numbers))
    for how in ("", "=", "^", "~", ">=", "<="):
        assert in_range(version, f"{how}{version}")
    for how in (">", "<"):
        assert not in_range(version, f"{how}{version}")
    assert in_range(version, nonsense) in {True, False}


def test_paths_find_their_handler() -> None:
    router: Router[str] = Router()
    for method, path in (
        ("GET", "/runs"),
        ("POST", "/runs"),
        ("GET", "/runs/{id}"),
        ("DELETE", "/runs/{id}"),
        ("POST", "/{language}/execute"),
        ("GET", "/files/{name*}/content"),
        ("GET", "/files/{name*}"),
    ):
        router.add(method, path, f"{method} {path}")
    assert router.find("POST", "/runs") == ("POST /runs", {})
    assert router.find("DELETE", "/runs/7") == ("DELETE /runs/{id}", {"id": "7"})
    assert router.find("POST", "/c++/execute")[1] == {"language": "c++"}
    assert router.find("GET", "/files/a/b/content") == ("GET /files/{name*}/content", {"name": "a/b"})
    assert router.find("GET", "/files/a/b") == ("GET /files/{name*}", {"name": "a/b"})
    for path in ("/", "", "/runs/", "/runs/a/b", "/runsx", "/a/b/execute", "/files/"):
        with pytest.raises(NotFoundError):
            router.find("GET", path)
    with pytest.raises(MethodError) as refused:
        router.find("PUT", "/runs")
    assert refused.value.headers == {"Allow": "GET, POST"}


class Hands(Clock):
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


def _ended(records: Records, name: str, size: int = 1) -> Record:
    record = records.add(name, b"")
    records.end(record, Status.FINISHED, Verdict.OK, b"x" * size)
    return record


async def test_what_is_remembered_is_bounded_in_number_bytes_and_age() -> None:
    for bounds in (Bounds(number=2), Bounds(size=25), Bounds(age=timedelta(seconds=10))):
        clock = Hands()
        records = Records(clock, bounds)
        running = records.add("running", b"")
        kept = [_ended(records, f"r{n}", 10) for n in range(5)]
        if bounds.age < timedelta(minutes=1):
            clock.at += timedelta(seconds=11)
            kept.append(_ended(records, "r5"))
        assert records.get("r0") is None
        assert records.get(kept[-1].run_id) is kept[-1]
        assert records.get("running") is running
        forgotten = [record for record in kept if records.get(record.run_id) is None]
        assert all(record.accepted_at < records.remembers_since for record in forgotten)


@given(st.lists(st.sampled_from(["begin", "end", "drop"]), max_size=60), st.integers(1, 4))
def test_every_run_accepted_since_then_is_remembered(steps: list[str], number: int) -> None:
    async def scenario() -> None:
        records = Records(Hands(), Bounds(number=number))
        running: list[Record] = []
        accepted: list[Record] = []
        for at, step in enumerate(steps):
            if step == "begin" or not running:
                running.append(records.add(str(at), b""))
                accepted.append(running[-1])
            elif step == "end":
                records.end(running.pop(len(running) // 2), Status.FINISHED, Verdict.OK, b"")
            else:
                dropped = running.pop()
                accepted.remove(dropped)
                records.drop(dropped, BadRequestError("no"))
            remembered = {id(record) for record in records}
            assert {id(record) for record in running} <= remembered
            assert all(id(record) in remembered for record in accepted if record.accepted_at >= records.remembers_since)

    asyncio.run(scenario())


async def test_waiting_for_an_end() -> None:
    records = Records(Hands())
    record = records.add("a", b"")
    for seconds in (0, 0.01):
        await record.wait(seconds)
        assert not record.ended.is_set()
    records.end(record, Status.FINISHED, Verdict.OK, b"")
    for seconds in (None, 0, 5):
        await record.wait(seconds)


_FILES = (File("a", b"1"), File("b", b"2"))
_BASE = Submission("c", _FILES, b"in", ("x",), Limits(), Limits())
_OTHERS = [
    Submission("c++", _FILES, b"in", ("x",), Limits(), Limits()),
    Submission("c", (File("a", b"12"), File("b", b"")), b"in", ("x",), Limits(), Limits()),
    Submission("c", (File("a", b"1"), File("bb", b"2")), b"in", ("x",), Limits(), Limits()),
    Submission("c", _FILES[::-1], b"in", ("x",), Limits(), Limits()),
    Submission("c", _FILES, b"in ", ("x",), Limits(), Limits()),
    Submission("c", _FILES, b"in", ("x", ""), Limits(), Limits()),
    Submission("c", _FILES, b"in", ("x",), Limits(wall_s=1), Limits()),
    Submission("c", _FILES, b"in", ("x",), Limits(), Limits(wall_s=1)),
]


def test_only_the_same_submission_has_the_same_digest() -> None:
    assert digest_of(Submission("c", _FILES, b"in", ("x",), Limits(), Limits())) == digest_of(_BASE)
    assert len({digest_of(other) for other in (_BASE, *_OTHERS)}) == 1 + len(_OTHERS)
    same_program = [other for other in _OTHERS if program_digest(other, "1") == program_digest(_BASE, "1")]
    assert same_program == _OTHERS[4:7]
    assert program_digest(_BASE, "2") != program_digest(_BASE, "1")


def test_a_folder_keeps_what_fits() -> None:
    folder, now = Folder(), datetime.now(UTC)
    folder.upload("/mnt/data/d/a", b"12", now)
    assert (folder.get("d/a").content, folder.get("/mnt/data/d/a").name, folder.size, len(folder)) == (
        b"12",
        "d/a",
        2,
        1,
    )
    assert folder.changes(all_=False) == ({"d/a": b"12"}, [])
    assert folder.changes(all_=False) == ({}, [])
    assert folder.changes(all_=True) == ({"d/a": b"12"}, [])
    folder.learn({"b": b"345", "c": bytes(MOST_BYTES)}, ["d/a"], now)
    assert ([file.name for file in folder], folder.size) == (["b"], 3)
    folder.delete("b")
    assert folder.changes(all_=False) == ({}, ["b"])
    with pytest.raises(TooLargeError):
        folder.upload("large", bytes(MOST_BYTES + 1), now)
    with pytest.raises(NotFoundError):
        folder.get("../b")
    for name in ("", "/etc/passwd", "../a", "a/../../b", "/mnt/data/", "/mnt/data/../a", "x" * 256):
        with pytest.raises(BadSubmissionError):
            clean_name(name)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters='\r\n\0"\\'), min_size=1, max_size=20),
    st.binary(max_size=200),
)
def test_uploads_are_read_as_they_were_written(name: str, content: bytes) -> None:
    head = f'--b7\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b7\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    assert read_upload(head.encode() + content + b"\r\n--b7--\r\n") == Upload(name, content)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{}",
        b"--b\r\n",
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--',
        b'--b\r\nContent-Disposition: form-data; name="x"; filename="file"\r\n\r\nx\r\n--b--',
    ],
)
def test_what_holds_no_file(sent: bytes) -> None:
    with pytest.raises(BadRequestError):
        read_upload(sent)


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b'{"id":"other"}', b'{"id":5}', b'{"id":"a","stdout":5}', b'{"id":"a","changed":{"a":5}}', b'{"id":"a","result":' + b"[" * 600 + b"]" * 600 + b"}", b'{"id":"a","stdout":"\\ud800"}'],
)  # fmt: skip
def test_answers_that_make_no_sense(line: bytes) -> None:
    with pytest.raises(FrameError):
        read_answer(line, "a")


@pytest.mark.parametrize("changed", [{"../a": ""}, {"/a": ""}, {"a": "?"}, {"": ""}])
def test_files_that_make_no_sense(changed: dict[str, str]) -> None:
    answer = read_answer(b'{"id":"a"}', "a").model_copy(update={"changed": changed})
    with pytest.raises(FrameError):
        answer.files()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers() | st.text(), inner, max_size=3),
    )
)
def test_every_value_has_a_form_in_json(value: object) -> None:
    shown = plain(value)
    assert orjson.loads(orjson.dumps(shown)) == shown
