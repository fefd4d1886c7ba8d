"""Running a Python program in this very process, as close to `python FILE` as can be had without starting one."""

from __future__ import annotations

import atexit
import builtins
import importlib
import mmap
import os
import signal
import site
import sys
import threading
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

from afield_sandbox import wire

Reader = Callable[[int], bytes]

_COMMON: Final = (  # noqa: SIM905  a list of forty strings would be a page
    "abc array base64 bisect cmath collections contextlib copy csv dataclasses datetime decimal enum fractions "
    "functools hashlib heapq inspect io itertools json linecache math operator os pathlib pickle queue random re "
    "statistics string struct subprocess tempfile textwrap threading time timeit traceback types typing unicodedata"
).split()
_FLUSH_FAILED: Final = 120  # what Python itself ends with when its output cannot be written


def warm_up() -> None:
    """Load what programs use most, and the names that `site` adds to the built-in ones."""
    os.environ.pop("LD_BIND_NOW", None)
    for name in _COMMON:
        with suppress(ImportError):
            importlib.import_module(name)
    site.setquit()
    site.setcopyright()
    site.sethelper()


def hide() -> None:
    """Our own modules leave the sight of the programs to come; whoever has them keeps them."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "afield_sandbox"]:
        del sys.modules[name]


def rehearse() -> None:
    """What can be done before there is a program: the compiler is warm."""
    exec(compile("x = [1]", "main.py", "exec", dont_inherit=True), {"__builtins__": builtins})  # noqa: S102  nothing foreign


def run(job: wire.Job, page: mmap.mmap) -> NoReturn:
    """Run the job's main file as `__main__` and end the process as Python would."""
    path = f"{os.getcwd()}/{job.main}"  # noqa: PTH109  what follows is done for every run, and pathlib is slow
    sys.argv[:] = [path, *job.args]
    sys.path.insert(0, path.rpartition("/")[0])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = _end(_execute(path, page))
    os._exit(code & 0xFF)


def _execute(path: str, page: mmap.mmap) -> int:
    """The exit code of the program."""
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=path, __builtins__=builtins, __cached__=None)
    sys.modules["__main__"] = main
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            source = file.readall()
        exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)  # noqa: S102  what this is for
    except SystemExit as ending:
        return _exit_code(ending.code)
    except MemoryError as problem:
        page[0] = 1
        return _show(problem)
    except BaseException as problem:  # noqa: BLE001  whatever a program raises ends it
        return _show(problem)
    return 0


def _exit_code(code: object) -> int:
    if code is None or isinstance(code, int):
        return int(code or 0)
    with suppress(Exception):  # as Python does it: a code that cannot be shown is still a failure
        print(code, file=sys.stderr)  # noqa: T201
    return 1


def _show(problem: BaseException) -> int:
    """Let the program's own hook show what went wrong, without our frames."""
    ours = problem.__traceback__
    problem = problem.with_traceback(ours.tb_next if ours else None)
    sys.excepthook(type(problem), problem, problem.__traceback__)
    if isinstance(problem, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return 1


def _end(code: int) -> int:
    """What Python does before it ends: wait for threads, call what asked to be called, write what is left."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001  whatever the program put in their place
            code = code or _FLUSH_FAILED
    return code
