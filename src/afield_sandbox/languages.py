"""The languages: how each is compiled and run, and which tool chains this machine has.

Versions are those the tools say themselves; none is written down here.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final

from afield_sandbox.model import MIB, File, Limits
from afield_sandbox.wire import CODE_FOLDER

_OUTPUT: Final = "program"
_PROGRAM: Final = f"{CODE_FOLDER}/{_OUTPUT}"
INTERPRETER: Final = str(Path(sys.base_prefix).resolve())  # every worker is one, whatever it runs in the end
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")

Command = Callable[[str, str, Limits], tuple[str, ...]]
Compile = Callable[[str, str, tuple[str, ...]], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Language:
    """How to run one language. `tool` is the program's place, `trees` what it needs beside /usr.

    `reserves`: the run time reserves far more address space than it uses, so that RLIMIT_AS would stop it at once.
    `command` makes the run's command of tool, main file and limits; `compile` that of the compilation, of tool, main
    file and the names of all files. Python has neither: waiting workers run it themselves.
    """

    name: str
    suffix: str
    aliases: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    version_option: str = "--version"
    command: Command | None = None
    compile: Compile | None = None
    reserves: bool = False
    main: str = "main"
    environment: Mapping[str, str] = field(default_factory=dict)
    tool: str = ""
    version: str = ""
    trees: tuple[str, ...] = ()

    def named(self, files: tuple[File, ...]) -> tuple[File, ...]:
        """The files, the first with the usual name of a main file if it has none that the tools would know."""
        first = files[0]
        if PurePosixPath(first.name).suffix == self.suffix:
            return files
        return (replace(first, name=f"{self.main}{self.suffix}"), *files[1:])


def _script(tool: str, main: str, limits: Limits) -> tuple[str, ...]:
    return (tool, f"{CODE_FOLDER}/{main}")


def _program(tool: str, main: str, limits: Limits) -> tuple[str, ...]:
    return (_PROGRAM,)


def _java(tool: str, main: str, limits: Limits) -> tuple[str, ...]:
    heap = max(16, limits.memory_bytes * 3 // 4 // MIB)
    options = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", f"-Xmx{heap}m")
    return (str(Path(tool).with_name("java")), *options, "-cp", CODE_FOLDER, PurePosixPath(main).stem)


def _c_family(dialect: str, standard: str, suffixes: tuple[str, ...]) -> Compile:
    def compile_(tool: str, main: str, names: tuple[str, ...]) -> tuple[str, ...]:
        sources = [name for name in names if name == main or name.endswith(suffixes)]
        return (tool, f"-std={standard}", "-O2", "-pipe", "-o", _OUTPUT, "-x", dialect, *sources, "-x", "none", "-lm")

    return compile_


def _javac(tool: str, main: str, names: tuple[str, ...]) -> tuple[str, ...]:
    options = ("-J-XX:+UseSerialGC", "-J-XX:TieredStopAtLevel=1", "-J-Xmx512m", "-encoding", "UTF-8", "-d", ".")
    return (tool, *options, *(name for name in names if name.endswith(".java")))


def _go(tool: str, main: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return (tool, "build", "-o", _OUTPUT, *(name for name in names if name.endswith(".go")))


def _rust(tool: str, main: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return (tool, "--edition=2021", "-O", "-o", _OUTPUT, main)


_KNOWN: Final = (
    Language("python", ".py", ("py", "py3", "python3")),
    Language("javascript", ".js", ("js", "node", "node-javascript"), ("node",), command=_script, reserves=True),
    Language("bash", ".sh", ("sh", "shell"), ("bash",), command=_script),
    Language(
        "c", ".c", ("gcc",), ("gcc", "cc", "clang"), "-dumpfullversion",
        command=_program, compile=_c_family("c", "gnu17", (".c",)),
    ),
    Language(
        "c++", ".cpp", ("cpp", "g++", "cc++"), ("g++", "c++", "clang++"), "-dumpfullversion",
        command=_program, compile=_c_family("c++", "gnu++20", (".cpp", ".cc", ".cxx")),
    ),
    Language("java", ".java", (), ("javac",), "-version", command=_java, compile=_javac, reserves=True, main="Main"),
    Language(
        "go", ".go", ("golang",), ("go",), "version", command=_program, compile=_go, reserves=True,
        environment={"GOCACHE": "/box/tmp/go", "GOPATH": "/box/tmp/path", "GO111MODULE": "off", "GOTOOLCHAIN": "local"},
    ),
    Language("rust", ".rs", ("rs",), ("rustc",), command=_program, compile=_rust),
)  # fmt: skip


def runnable(files: Mapping[str, File]) -> dict[str, File]:
    """What a compiler left. Its program can be run, also where the compiler was not allowed to say so."""
    return {name: replace(file, executable=file.executable or name == _OUTPUT) for name, file in files.items()}


def find_languages(only: tuple[str, ...] = ()) -> tuple[Language, ...]:
    """The languages this machine can run, with versions. Starts each tool once. Blocks for up to a second or two."""
    wanted = [language for language in _KNOWN if not only or language.name in only]
    return tuple(found for language in wanted if (found := _find(language)) is not None)


def _find(language: Language) -> Language | None:
    if not language.tools:
        return replace(language, version=platform.python_version())
    for name in language.tools:
        place = shutil.which(name)
        if place and (found := _ask(language, place)):
            return found
    return None


def _ask(language: Language, place: str) -> Language | None:
    """The tool with its version; None when it does not work. Stand-ins that pick a version are looked behind."""
    if language.name == "rust" and (home := _say(place, "--print", "sysroot")):
        place = f"{home.strip()}/bin/rustc"
    text = _say(place, language.version_option)
    version = _VERSION.search(text)
    if version is None:
        return None
    return replace(language, tool=place, version=version[0], trees=_trees(language, place))


def _trees(language: Language, place: str) -> tuple[str, ...]:
    """The folder that holds a tool chain: two above its program, links followed."""
    real = Path(place).resolve()
    home = real.parent.parent
    if language.name == "go" and (root := _say(place, "env", "GOROOT").strip()):
        home = Path(root)
    return () if home == Path("/") else (str(home),)


def _say(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  the tools of this host
            command, capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return f"{done.stdout}\n{done.stderr}" if done.returncode == 0 else ""
