"""The jail's decisions, without a jail: what is refused, what an ending means, where output is cut, what the filter says."""

# ruff: noqa: E501  tables read best with a line a case

from __future__ import annotations

import errno
import signal
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield_sandbox import BadSubmissionError, File, Level, Limits, Stage, Submission, TooWeakError, Verdict
from afield_sandbox.host import HostProtections
from afield_sandbox.output import Collector, whole_characters
from afield_sandbox.rootfs import plan_root
from afield_sandbox.seccomp import EXTRA, OWN_ONLY, REFUSED, Extra, build
from afield_sandbox.verdicts import Evidence, Stop, judge
from afield_sandbox.wire import Job, Report, pack_job, read_job


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../../x", "a\0b", "folder/", "x" * 256, "ä" * 128, "a/" * 17 + "x", "\ud800"]
)
def test_file_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(BadSubmissionError):
        File(name, b"")


@pytest.mark.parametrize("name", ["main.py", "a/b/c.txt", "..x", "ä", "x" * 255])
def test_other_file_names_are_fine(name: str) -> None:
    assert File(name, b"").name == name


@pytest.mark.parametrize(
    "files",
    [
        (),
        (File("a", b""), File("./a", b"")),
        tuple(File(str(n), b"") for n in range(1001)),
        (File("a", bytes(65 << 20)),),
    ],
)
def test_submissions_that_are_too_much_or_nothing(files: tuple[File, ...]) -> None:
    with pytest.raises(BadSubmissionError):
        Submission("python", files)


@pytest.mark.parametrize(
    "limit", [{"wall_s": 0}, {"cpu_s": -1}, {"memory_bytes": 1}, {"processes": 0}, {"output_bytes": -1}]
)
def test_limits_nobody_could_live_with(limit: dict[str, int]) -> None:
    with pytest.raises(BadSubmissionError):
        Limits(**limit)  # type: ignore[arg-type]


def _report(status: int = 0, **more: object) -> Report:
    return Report(status=status, cpu_s=0.1, resident_bytes=1, **more)  # type: ignore[arg-type]


_EXIT_1, _SEGFAULT, _XCPU = 1 << 8, int(signal.SIGSEGV), int(signal.SIGXCPU)


@pytest.mark.parametrize(
    ("evidence", "stage", "expected"),
    [
        (Evidence(_report()), Stage.RUN, (Verdict.OK, 0, None)),
        (Evidence(_report(137 << 8)), Stage.RUN, (Verdict.RUNTIME_ERROR, 137, None)),
        (Evidence(_report(_EXIT_1)), Stage.COMPILE, (Verdict.COMPILE_ERROR, 1, None)),
        (Evidence(_report(_SEGFAULT)), Stage.COMPILE, (Verdict.COMPILE_ERROR, None, "SIGSEGV")),
        (Evidence(_report(_SEGFAULT)), Stage.RUN, (Verdict.SIGNAL, None, "SIGSEGV")),
        (Evidence(_report(40)), Stage.RUN, (Verdict.SIGNAL, None, "SIG40")),
        (Evidence(_report(_XCPU)), Stage.RUN, (Verdict.TIME_LIMIT, None, "SIGKILL")),
        (Evidence(_report(9, why="cpu")), Stage.RUN, (Verdict.TIME_LIMIT, None, "SIGKILL")),
        (Evidence(_report(9, why="scratch")), Stage.RUN, (Verdict.OUTPUT_LIMIT, None, "SIGKILL")),
        (Evidence(_report(9, why="stop"), Stop.WALL), Stage.RUN, (Verdict.TIME_LIMIT, None, "SIGKILL")),
        (Evidence(None, Stop.WALL), Stage.RUN, (Verdict.TIME_LIMIT, None, "SIGKILL")),
        (Evidence(_report(9, why="stop"), Stop.STDOUT), Stage.COMPILE, (Verdict.OUTPUT_LIMIT, None, "SIGKILL")),
        (Evidence(_report(9), None, out_of_memory=True), Stage.RUN, (Verdict.MEMORY_LIMIT, None, "SIGKILL")),
        (Evidence(_report(9), Stop.WALL, out_of_memory=True), Stage.RUN, (Verdict.MEMORY_LIMIT, None, "SIGKILL")),
        (Evidence(_report(_EXIT_1, out_of_memory=True)), Stage.RUN, (Verdict.MEMORY_LIMIT, 1, None)),
        (Evidence(None, None, out_of_memory=True), Stage.RUN, (Verdict.MEMORY_LIMIT, None, "SIGKILL")),
        (Evidence(_report(9, why="stop"), Stop.ASKED), Stage.RUN, (Verdict.SIGNAL, None, "SIGKILL")),
        (Evidence(_report(error="no such file")), Stage.RUN, (Verdict.INTERNAL_ERROR, None, None)),
        (Evidence(None), Stage.RUN, (Verdict.INTERNAL_ERROR, None, None)),
    ],
)
def test_what_an_ending_means(
    evidence: Evidence, stage: Stage, expected: tuple[Verdict, int | None, str | None]
) -> None:
    found = judge(evidence, Limits(), stage)
    assert (found.verdict, found.exit_code, found.signal) == expected
    assert found.message or found.verdict is Verdict.OK


@given(st.text(), st.integers(0, 40), st.data())
def test_pieces_are_text_and_together_the_beginning(text: str, cap: int, data: st.DataObject) -> None:
    content = text.encode("utf-8", "ignore")
    collector, pieces = Collector(cap), []
    while content:
        size = data.draw(st.integers(1, len(content)))
        pieces.append(collector.feed(content[:size]))
        content = content[size:]
    pieces.append(collector.end())
    whole = text.encode("utf-8", "ignore")
    for piece in pieces:
        piece.decode()
    assert b"".join(pieces) == collector.content == whole[:cap][: whole_characters(whole[:cap])]
    assert collector.overflowed == (len(whole) > cap)


@given(st.binary())
def test_what_is_no_text_is_only_ever_held_back_at_its_end(data: bytes) -> None:
    assert len(data) - 3 <= whole_characters(data) <= len(data)
    collector = Collector(1000)
    assert collector.feed(data) + collector.end() == data[:1000]


def _decide(program: bytes, audit: int, number: int, *arguments: int) -> int:
    """What a filter says to a call: the few instructions it uses, interpreted."""
    steps: list[tuple[int, int, int, int]] = list(struct.iter_unpack("HBBI", program))  # type: ignore[arg-type]
    call = struct.pack("iIQ6Q", number & 0x7FFFFFFF, audit, 0, *(*arguments, *[0] * 6)[:6])
    value = at = 0
    while True:
        code, then, otherwise, k = steps[at]
        if code == 0x06:
            return k
        if code == 0x20:
            (value,) = struct.unpack_from("I", call, k)
            at += 1
        else:
            hit = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[code]
            at += 1 + (then if hit else otherwise)


_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_NOT_ALLOWED, _NOT_THERE = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS


MACHINES = [("x86_64", 0xC000003E, 0), ("aarch64", 0xC00000B7, 1)]


@pytest.mark.parametrize("extras", [frozenset(), frozenset(Extra)], ids=["usual", "all"])
@pytest.mark.parametrize(("machine", "audit", "column"), MACHINES)
def test_the_filter_refuses_what_it_names(machine: str, audit: int, column: int, extras: frozenset[Extra]) -> None:
    program = build(machine, extras)
    tables = [REFUSED, *(EXTRA[extra] for extra in extras)]
    numbers = {name: pair[column] for table in tables for name, pair in table.items() if pair[column] is not None}
    assert len(set(numbers.values())) == len(numbers), "two calls of one number"
    for name, number in numbers.items():
        assert number is not None
        assert _decide(program, audit, number) == _NOT_ALLOWED, name
    assert _decide(program, audit, 435) == _decide(program, audit, 463) == _NOT_THERE
    assert _decide(program, audit ^ 1, 0) == _KILL


@pytest.mark.parametrize(("machine", "audit", "column"), MACHINES)
def test_calls_about_others_are_refused(machine: str, audit: int, column: int) -> None:
    for name, numbers in OWN_ONLY.items():
        assert _decide(build(machine), audit, numbers[column], 0, 5) == _ALLOW, name
        assert _decide(build(machine), audit, numbers[column], 7) == _NOT_ALLOWED, name


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ((41, 1), _ALLOW), ((41, 2), _NOT_ALLOWED), ((41, 16), _NOT_ALLOWED),
        ((56, 17), _ALLOW), ((56, 0x3D0F00), _ALLOW), ((56, 0x10000011), _NOT_ALLOWED), ((56, 0x20000), _NOT_ALLOWED),
        ((16, 0, 0x5401), _ALLOW), ((16, 0, 0x5412), _NOT_ALLOWED), ((16, 0, 0x541C), _NOT_ALLOWED),
        ((141, 0, 0, 5), _ALLOW), ((141, 0, 1), _NOT_ALLOWED), ((141, 2, 0), _NOT_ALLOWED),
        ((0,), _ALLOW), ((59,), _ALLOW), ((462,), _ALLOW), ((0x40000000 - 1,), _NOT_THERE), ((0x40000001,), _KILL),
    ],
)  # fmt: skip
def test_the_filter_looks_at_arguments(call: tuple[int, ...], expected: int) -> None:
    assert _decide(build("x86_64"), 0xC000003E, *call) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ((41, 1), _NOT_ALLOWED), ((42, 3), _NOT_ALLOWED), ((29, 1), _NOT_ALLOWED), ((254, 3), _NOT_ALLOWED),
        ((53, 1, 1), _ALLOW), ((53, 1, 5 | 0x80000), _ALLOW), ((53, 1, 2), _NOT_ALLOWED), ((53, 1, 3 | 0x80000), _NOT_ALLOWED),
        ((90,), _ALLOW), ((0,), _ALLOW), ((435,), _NOT_THERE),
    ],
)  # fmt: skip
def test_the_filter_on_the_hosts_own_ground(call: tuple[int, ...], expected: int) -> None:
    assert _decide(build("x86_64", frozenset({Extra.SHARED})), 0xC000003E, *call) == expected


def test_a_job_arrives_as_it_left() -> None:
    files = (File("ä.py", b"\x00\xff"), File("b/c", b"", executable=True))
    job = Job("ä.py", ("x", "€"), ("cmd",), {"A": "1"}, Limits(wall_s=0.5), address_space=True, files=files)
    packed = memoryview(pack_job(job) + b"more")
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        at += size
        return bytes(packed[at - size : at])

    assert read_job(read) == job


def test_the_root_shows_no_homes_and_no_state() -> None:
    shown, links = plan_root(["/srv/tools/go"])
    assert "/srv/tools/go" in shown
    assert not {"/etc", "/home", "/var", "/run", "/proc", "/sys", "/dev", "/"} & set(shown)
    assert ("/mnt/data", "/box/code") in links


@pytest.mark.parametrize(
    ("namespaces", "fenced", "cgroup", "level"),
    [
        (True, False, "v1", Level.FULL),
        (True, False, "", Level.NAMESPACES),
        (False, True, "v1", Level.LANDLOCK),
        (False, False, "v1", Level.NONE),
    ],
)
def test_the_level_follows_from_what_the_host_allows(namespaces: bool, fenced: bool, cgroup: str, level: Level) -> None:
    seccomp = namespaces or fenced
    host = HostProtections("6", "x86_64", 0, namespaces, seccomp, cgroup, cgroup, 0, "", ("why not",), fenced)
    assert host.level is level
    if level < Level.FULL:
        with pytest.raises(TooWeakError, match=r"full is required\. why not"):
            host.require(Level.FULL)
    host.require(level)


def test_a_job_moves_with_its_private_folder() -> None:
    job = Job(
        "a.js", ("/box/code/x",), ("/usr/bin/node", "/box/code/a.js", "/boxer"), {"GOCACHE": "/box/tmp/go"}, Limits()
    )
    moved = job.moved("/tmp/7")
    assert moved.command == ("/usr/bin/node", "/tmp/7/code/a.js", "/boxer")
    assert moved.environment == {"GOCACHE": "/tmp/7/tmp/go"}
    assert moved.args == job.args
    assert job.moved("/box") is job


@given(st.lists(st.binary(max_size=9)))
def test_without_a_cap_all_is_passed_on_and_nothing_kept(pieces: list[bytes]) -> None:
    collector = Collector(None)
    passed = b"".join([*(collector.feed(piece) for piece in pieces), collector.end()])
    assert passed == b"".join(pieces)
    assert collector.content == b""
    assert not collector.overflowed
