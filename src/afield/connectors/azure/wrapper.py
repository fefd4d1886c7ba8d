"""The script around a script for the action run command (v1), which tells no exit code. Pure.

It runs the script with a time limit of its own, then prints the end of both streams and, as the last line of standard
output, a mark with the attempt's key and the exit code. All of it fits in the 4,096 bytes Azure keeps.
Source: Microsoft Learn, run-command.
"""

from __future__ import annotations

import base64
import math
import re
import shlex
from dataclasses import dataclass

from afield.connectors.azure.wire import VmCommandSpec, powershell

_ROOM = 3700  # bytes for both streams; the rest is for the mark and Azure's own words

_TITLE = "# afield: "  # the first line names the attempt: it is what a VM's logs show of a script

_MARK = re.compile(
    r"\[afield (?P<key>\S+) exit=(?P<code>-?\d+) how=(?P<how>exit|timeout) out=(?P<out>\d+) err=(?P<err>\d+)\]"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the wrapper said of the script, and where it said so."""

    key: str
    exit_code: int
    timed_out: bool
    stdout_bytes: int  # that the script wrote, shown or not
    stderr_bytes: int
    start: int  # in the text
    end: int


def find_mark(text: str, key: str) -> Mark | None:
    """The last mark of this attempt in a text."""
    found = [one for one in _MARK.finditer(text) if one["key"] == key]
    if not found:
        return None
    last = found[-1]
    return Mark(
        key=key,
        exit_code=int(last["code"]),
        timed_out=last["how"] == "timeout",
        stdout_bytes=int(last["out"]),
        stderr_bytes=int(last["err"]),
        start=last.start(),
        end=last.end(),
    )


def shell_wrapper(spec: VmCommandSpec, key: str) -> list[str]:
    """The lines for `RunShellScript`: POSIX sh around bash. Values are quoted, the script is carried as base64."""
    limit = math.ceil(spec.timeout_s)
    script = base64.b64encode(spec.script.encode()).decode()
    exports = "".join(f"export {name}={shlex.quote(value)}; " for name, value in spec.env.items())
    arguments = "".join(f" {shlex.quote(value)}" for value in spec.arguments)
    run = f'timeout -k 10 {limit} bash "$d/script.sh"{arguments} >"$d/out" 2>"$d/err"'
    text = f"""\
{_TITLE}{key}
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
printf %s '{script}' | base64 -d >"$d/script.sh"
began=$(date +%s)
( {exports}{run} </dev/null )
code=$?
how=exit
if [ $code -ge 124 ] && [ $(( $(date +%s) - began )) -ge {limit} ]; then how=timeout; fi
o=$(wc -c <"$d/out" | tr -d ' '); e=$(wc -c <"$d/err" | tr -d ' ')
ko=$o; ke=$e
if [ $((o + e)) -gt {_ROOM} ]; then
  ko={_ROOM // 2}; ke={_ROOM // 2}
  if [ "$o" -lt $ko ]; then ko=$o; ke=$(({_ROOM} - o)); fi
  if [ "$e" -lt $ke ]; then ke=$e; ko=$(({_ROOM} - e)); fi
fi
tail -c "$ko" "$d/out"
printf '\\n[afield {key} exit=%s how=%s out=%s err=%s]\\n' "$code" "$how" "$o" "$e"
tail -c "$ke" "$d/err" >&2
exit 0"""
    return text.split("\n")


def powershell_wrapper(spec: VmCommandSpec, key: str) -> list[str]:
    """The lines for `RunPowerShellScript`: the same in PowerShell 5, with a process of its own for the script."""
    script = base64.b64encode(powershell(spec).encode()).decode()
    text = f"""\
{_TITLE}{key}
$d = Join-Path ([IO.Path]::GetTempPath()) ([guid]::NewGuid().ToString())
New-Item -ItemType Directory -Path $d | Out-Null
$text = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{script}'))
[IO.File]::WriteAllText("$d\\script.ps1", $text, (New-Object Text.UTF8Encoding $true))
$given = '-NoProfile -NonInteractive -ExecutionPolicy Bypass -File "' + "$d\\script.ps1" + '"'
$p = Start-Process powershell.exe -ArgumentList $given -PassThru -WindowStyle Hidden `
  -RedirectStandardOutput "$d\\out" -RedirectStandardError "$d\\err"
$null = $p.Handle
$how = 'exit'
if (-not $p.WaitForExit({math.ceil(spec.timeout_s) * 1000})) {{
  taskkill.exe /T /F /PID $p.Id 2>&1 | Out-Null
  $how = 'timeout'
}}
$p.WaitForExit()
$code = $p.ExitCode
$out = [IO.File]::ReadAllText("$d\\out"); $err = [IO.File]::ReadAllText("$d\\err")
function Tail($s, $n) {{ if ($s.Length -gt $n) {{ $s.Substring($s.Length - $n) }} else {{ $s }} }}
$o = [Text.Encoding]::UTF8.GetByteCount($out); $e = [Text.Encoding]::UTF8.GetByteCount($err)
[Console]::Out.Write((Tail $out {_ROOM // 2}))
[Console]::Out.Write("`n[afield {key} exit=$code how=$how out=$o err=$e]`n")
[Console]::Error.Write((Tail $err {_ROOM // 2}))
Remove-Item -Recurse -Force $d
exit 0"""
    return text.split("\n")
