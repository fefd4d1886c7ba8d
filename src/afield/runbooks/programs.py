"""Programs that run other programs: data for reading scripts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A program whose arguments are a command: its options that take a value, and what stands before the command."""

    with_value: str = ""  # letters, and long names, of options that are followed by a value
    before: int = 0  # arguments before the command


WRAPPERS = {
    "builtin": Wrapper(),
    "busybox": Wrapper(),
    "chroot": Wrapper(before=1),
    "chrt": Wrapper("pTPD", before=1),
    "command": Wrapper(),
    "doas": Wrapper("uC"),
    "env": Wrapper("uCS"),
    "exec": Wrapper("a"),
    "flock": Wrapper("wEc", before=1),
    "ionice": Wrapper("cnp"),
    "nice": Wrapper("n"),
    "nohup": Wrapper(),
    "nsenter": Wrapper("tSG"),
    "parallel": Wrapper("jSI"),
    "runuser": Wrapper("ug"),
    "script": Wrapper("c"),
    "setsid": Wrapper(),
    "stdbuf": Wrapper("ioe"),
    "strace": Wrapper("eopsu"),
    "sudo": Wrapper("ugpCThRDrtU"),
    "taskset": Wrapper("p", before=1),
    "time": Wrapper("fo"),
    "timeout": Wrapper("sk", before=1),
    "toybox": Wrapper(),
    "unshare": Wrapper("SG"),
    "watch": Wrapper("n"),
    "xargs": Wrapper("IEnLPsda"),
}

SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "rbash"})
"""They run the text after -c, a file, or what they read."""

CODE_AFTER_C = SHELLS | {"su", "runuser", "script", "flock", "watch"}
"""Programs that hand the text after -c to a shell."""

READS_COMMANDS = SHELLS | {"at", "batch", "parallel", "source", ".", "ssh"}
"""Programs that run what they read."""

INTERPRETERS = frozenset(
    {"python", "python2", "python3", "perl", "ruby", "node", "nodejs", "php", "lua", "awk", "gawk", "mawk", "tclsh"}
)
"""Programs of other languages. What they do is not read; texts in their code are read as commands."""

SQL_CLIENTS = frozenset(
    {"psql", "mysql", "mariadb", "sqlite3", "sqlcmd", "sqlplus", "clickhouse-client", "cqlsh", "mongo", "mongosh"}
    | {"redis-cli", "duckdb"}
)
"""Programs that run the statements they are given or read."""
