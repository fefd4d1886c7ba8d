"""What is put on the machine for one attempt. Pure."""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Mapping
from pathlib import Path

from afield.connectors.runner.spec import RunnerSpec

_HERE = Path(__file__).parent
_COMMON, _MACHINE, _KEEPER, KILLER = (
    (_HERE / f"{name}.sh").read_text(encoding="utf-8") for name in ("common", "machine", "keeper", "killer")
)

MACHINE = _COMMON + _MACHINE
"""The program that carries out one operation."""

_KEEPER_PROGRAM = _COMMON + _KEEPER

# What `&` in a shell without job control does to a child, undone where the machine's `env` can.
_DEFAULT_SIGNALS = "--default-signal=INT,QUIT"


def begin_program(spec: RunnerSpec, shell: str) -> str:
    """The program that sets the values and becomes the script. It lies beside the script."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in spec.env.items()]
    own = spec.script.startswith("#!")
    run = '"$here/script"' if own else f'{shlex.quote(shell)} "$here/script"'
    lines = [
        "case $0 in /*) here=${0%/*} ;; *) here=$PWD ;; esac",
        "cd || cd /",
        f"set -- {shlex.join(spec.arguments)}",
        f"if env {_DEFAULT_SIGNALS} true 2>/dev/null; then signals={_DEFAULT_SIGNALS}; else signals=-; fi",
        *exports,
        f'[ "$signals" = - ] && exec env {run} "$@"',
        f'exec env {_DEFAULT_SIGNALS} {run} "$@"',
    ]
    return "\n".join(lines) + "\n"


def pack(spec: RunnerSpec, shell: str) -> bytes:
    """The tar archive that is unpacked in the attempt's folder."""
    files = {
        "keeper": _KEEPER_PROGRAM,
        "killer": KILLER,
        "begin": begin_program(spec, shell),
        "script": spec.script,
    }
    return _tar(files)


def _tar(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in files.items():
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o700
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
