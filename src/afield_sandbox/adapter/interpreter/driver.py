"""The program of a kept session. It runs inside the jail, as the main file of a run, on the standard library alone.

It reads one JSON object a line and answers each with one, on descriptors that it moved away from the standard ones
before it runs anything: what an execution prints goes into a file of its own. The code that it runs can find those
descriptors. It would cheat nobody but its own session, and the other side believes nothing unchecked.
"""

from __future__ import annotations

import ast
import base64
import builtins
import functools
import importlib.abc
import importlib.machinery
import io
import json
import linecache
import math
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

SHOWN: Final = "/mnt/data"
_FOLDER: Final = str(Path(__file__).parent)
_TEMPORARY: Final = tempfile.gettempdir()
_BY_PATH: Final = {
    os: "access chdir chmod listdir lstat mkdir open readlink remove rename replace rmdir scandir stat unlink utime",
    io: "open",
    builtins: "open",
}
_CELL: Final = "<cell "
_DEPTH: Final = 20
_LARGEST_EXACT: Final = 2**53
_SHELL_SIGNAL: Final = 128

Mark = tuple[int, int, int]


class Files:
    """What is in the work folder, and what has changed since it was last looked at."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}

    def put(self, given: Mapping[str, str]) -> None:
        """Write files that come from outside."""
        for name, content in given.items():
            path = Path(_FOLDER, name)
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(base64.b64decode(content))

    def remove(self, names: Sequence[str]) -> None:
        """Remove files."""
        for name in names:
            with suppress(OSError):
                Path(_FOLDER, name).unlink()

    def settle(self) -> None:
        """What is there now is known outside."""
        self._marks = dict(self._look())

    def changes(self, most_bytes: int, most_files: int) -> dict[str, object]:
        """Contents of new and changed files, as far as they fit; names of those that are gone or did not fit."""
        found = dict(list(self._look())[:most_files])
        changed: dict[str, str] = {}
        left_out = []
        for name, mark in found.items():
            if self._marks.get(name) == mark:
                continue
            most_bytes -= mark[1]
            content = _read(name) if most_bytes >= 0 else None
            if content is None:
                left_out.append(name)
            else:
                changed[name] = content
        gone = [name for name in self._marks if name not in found]
        self._marks = found
        return {"changed": changed, "gone": gone, "left_out": left_out}

    def _look(self) -> Iterator[tuple[str, Mark]]:
        for folder, _, names in os.walk(_FOLDER):
            for name in names:
                path = Path(folder, name)
                with suppress(OSError, UnicodeEncodeError):
                    shown = str(path.relative_to(_FOLDER))
                    shown.encode()
                    found = path.lstat()
                    if stat.S_ISREG(found.st_mode):
                        yield shown, (found.st_mtime_ns, found.st_size, found.st_ino)


def _read(name: str) -> str | None:
    try:
        return base64.b64encode(Path(_FOLDER, name).read_bytes()).decode()
    except OSError:
        return None


class Capture:
    """Standard output and error of one execution, those of the programs that it starts among them."""

    def __init__(self) -> None:
        self._files = [tempfile.TemporaryFile(buffering=0, dir=_TEMPORARY) for _ in range(2)]  # noqa: SIM115
        for place, file in enumerate(self._files, 1):
            os.dup2(file.fileno(), place)

    def take(self, most_bytes: int) -> dict[str, str]:
        """The text, as much as is allowed of it. Ends the capture."""
        for stream in (sys.__stdout__, sys.__stderr__, sys.stdout, sys.stderr):
            with suppress(Exception):  # whatever the code put in their place
                stream.flush()  # type: ignore[union-attr]
        texts = [os.pread(file.fileno(), most_bytes, 0).decode("utf-8", "replace") for file in self._files]
        for file in self._files:
            file.close()
        return dict(zip(("stdout", "stderr"), texts, strict=True))


class Interpreter:
    """Runs code in one name space."""

    def __init__(self) -> None:
        main = types.ModuleType("__main__")
        main.__dict__.update(__builtins__=builtins)
        sys.modules["__main__"] = main
        self._space = main.__dict__
        self._number = 0

    def run(self, code: str) -> dict[str, object]:
        """The value of the last expression, or what went wrong."""
        self._number += 1
        name = f"{_CELL}{self._number}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        try:
            return {"result": plain(self._evaluate(code, name))}
        except BaseException as problem:  # noqa: BLE001  whatever the code raises is its answer
            return {"error": _explain(problem)}

    def _evaluate(self, code: str, name: str) -> object:
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec", dont_inherit=True), self._space)  # noqa: S102  what this is for
        if not isinstance(last, ast.Expr):
            return None
        value = eval(compile(ast.Expression(last.value), name, "eval", dont_inherit=True), self._space)  # noqa: S307
        if value is not None:
            self._space["_"] = value
        return value


def _explain(problem: BaseException) -> dict[str, str]:
    """What went wrong; the traceback, without our own frames, goes where the code's errors go."""
    trace = problem.__traceback__
    while trace is not None and not trace.tb_frame.f_code.co_filename.startswith(_CELL):
        trace = trace.tb_next
    with suppress(Exception):  # an exception that cannot be shown
        text = "".join(traceback.format_exception(type(problem), problem, trace))
        sys.stdout.flush()
        os.write(2, text.encode("utf-8", "replace"))
    message = ""
    with suppress(Exception):
        message = _clean(str(problem))
    return {"name": type(problem).__name__, "message": message}


def plain(value: object, depth: int = 0) -> object:
    """The value as JSON has it: what JSON has no form for is shown as Python shows it, and NaN is the text "nan"."""
    kind = type(value)
    if kind is str:
        return _clean(str(value))
    if depth < _DEPTH and (kind is list or kind is tuple):
        return [plain(item, depth + 1) for item in value]  # type: ignore[attr-defined]
    if depth < _DEPTH and isinstance(value, dict):
        return {_clean(str(name)): plain(item, depth + 1) for name, item in value.items()}
    return value if value is None or kind is bool or _is_exact(value) else _clean(repr(value))


def _is_exact(value: object) -> bool:
    """Whether it is a number that every reader of JSON understands."""
    if type(value) is float:
        return math.isfinite(value)
    return type(value) is int and abs(value) <= _LARGEST_EXACT


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def run_shell(command: str) -> dict[str, object]:
    """Run a command in the work folder. The status of one that a signal ended is that of the shell."""
    bash = shutil.which("bash") or shutil.which("sh")
    if bash is None:
        return {"error": {"name": "NoShell", "message": "There is no shell here."}}
    done = subprocess.run([bash, "-c", command], stdin=subprocess.DEVNULL, cwd=_FOLDER, check=False)  # noqa: S603
    return {"status": done.returncode if done.returncode >= 0 else _SHELL_SIGNAL - done.returncode}


class Packages(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """A stand-in for pkg_resources, which lists what is installed: clients ask for it, and newer setuptools lack it."""

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Only asked when nobody else has it."""
        return importlib.machinery.ModuleSpec(name, self) if name == "pkg_resources" else None

    def exec_module(self, module: types.ModuleType) -> None:
        """As much of it as lists packages."""
        from importlib.metadata import distributions  # noqa: PLC0415  not needed by most sessions

        module.__dict__["working_set"] = [
            types.SimpleNamespace(project_name=found.name, key=found.name.lower(), version=found.version)
            for found in distributions()
        ]


def _moved(path: object, here: str, there: str) -> object:
    """A path below `here` as one below `there`; anything else as it is."""
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    below = isinstance(text, str) and (text == here or text.startswith(f"{here}/"))
    return there + str(text)[len(here) :] if below else path


def show_folder(*, linked: bool) -> None:
    """Have the work folder look as if it were the usual one.

    Where no link of that name leads to it, Python's own functions for files are told the way; programs that the code
    starts are not.
    """
    real = os.getcwd
    os.getcwd = lambda: str(_moved(real(), _FOLDER, SHOWN))
    if linked:
        return
    for module, names in _BY_PATH.items():
        for name in names.split():
            setattr(module, name, _leading(getattr(module, name)))


def _leading(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def led(*args: object, **named: object) -> object:
        return function(*(_moved(argument, SHOWN, _FOLDER) for argument in args), **named)

    return led


def serve(asked: IO[bytes], answers: int) -> None:
    """Answer until nobody asks any more."""
    files, interpreter, process = Files(), Interpreter(), os.getpid()
    _say(answers, {"ready": True})
    for line in asked:
        request: dict[str, Any] = json.loads(line)
        files.remove(request["remove"])
        files.put(request["put"])
        files.settle()
        capture = Capture()
        shell = request["kind"] == "shell"
        done = run_shell(request["code"]) if shell else interpreter.run(request["code"])
        if os.getpid() != process:  # a child that the code forked and did not end
            os._exit(0)
        said = capture.take(request["most_output"])
        changes = files.changes(request["most_bytes"], request["most_files"])
        _say(answers, {"id": request["id"], **done, **said, **changes})


def _say(descriptor: int, message: Mapping[str, object]) -> None:
    data = memoryview(json.dumps(message).encode() + b"\n")
    while data:
        data = data[os.write(descriptor, data) :]


def main() -> None:
    """Move the conversation away from the standard streams, tidy up after ourselves, serve."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for place in range(3):
        os.dup2(nothing, place)
    Path(__file__).unlink()
    linked = os.path.isdir(SHOWN)  # noqa: PTH112  a worker has loaded this already
    os.environ["HOME"] = os.environ["PWD"] = SHOWN if linked else _FOLDER
    show_folder(linked=linked)
    os.chdir(_FOLDER)
    sys.argv[:] = [""]
    sys.path[0] = ""
    sys.meta_path.append(Packages())
    serve(asked, answers)


if __name__ == "__main__":
    main()
