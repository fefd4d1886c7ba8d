"""What the policy knows to be destructive: data. docs/destructive-commands.md explains the choices.

Expressions are matched against one command at a time, in the form `afield.runbooks.unfold` gives it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from afield.runbooks.model import Environment


class Verdict(StrEnum):
    """What the policy says of a command."""

    OK = "ok"
    NEEDS_APPROVAL = "needs_approval"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of destructive command, and what it means in each environment."""

    id: str
    why: str
    expression: re.Pattern[str]
    dev: Verdict
    staging: Verdict
    prod: Verdict

    def verdict(self, env: Environment) -> Verdict:
        return {Environment.DEV: self.dev, Environment.STAGING: self.staging, Environment.PROD: self.prod}[env]


_VERDICTS = {"-": Verdict.OK, "A": Verdict.NEEDS_APPROVAL, "B": Verdict.BLOCKED}


def _pattern(name: str, verdicts: str, why: str, expression: str) -> Pattern:
    """`verdicts`: one letter each for dev, staging and prod; - ok, A needs approval, B blocked."""
    dev, staging, prod = (_VERDICTS[letter] for letter in verdicts)
    return Pattern(name, why, re.compile(expression), dev, staging, prod)


_R = r"(?=(?:.* )?(?:-[a-zA-Z]*[rR]|--recursive))"  # recursive
_END = r"(?= |$)"
_SYSTEM = r"/(?:bin|boot|dev|etc|lib\d*|proc|sbin|sys|usr(?!/local/))"
_DISK = r"/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|mapper/|dm-|md|disk/|mem|kmem|port)\S*"
_SHELL = r"(?:ba|da|a|z|k|fi)?sh|python|perl|ruby|node|php"
_REMOTE = r"(?:curl|wget|fetch|aria2c|nc|ncat|socat|http|lynx)"
_SQL = (
    r"(?i:(?:.*[\s\"';(])?(?:drop\s+(?:table|database|schema|view|index|role|user|column|owned)\b"
    r"|truncate\s+(?:table\s+)?[\w\".`]|alter\s+table\s+\S+\s+drop\b))"
)
_SQL_ALL_ROWS = (
    r"(?i:.*\b(?:delete\s+from\s+[\w\".`]+"
    r"|update\s+[\w\".`]+\s+set\s+(?:(?!\b(?:where|update)\b)[^;])*)\s*(?:;|$|[\"']))"
)
_CLIENT = r"^(?:psql|mysql|mariadb|sqlite3|sqlcmd|sqlplus|clickhouse-client|cqlsh|mongo|mongosh|redis-cli|duckdb) "

COMMANDS = (
    # Files
    _pattern(
        "rm_everything",
        "BBB",
        "It removes the root folder, a home folder, or all that is in one.",
        rf"^rm (?:{_R}.* (?:/\*?|/\.\*|~/?\*?|\$HOME/?\*?){_END}|.*--no-preserve-root)",
    ),
    _pattern(
        "rm_system",
        "ABB",
        "It removes or empties files of the operating system.",
        rf"^(?:rm|unlink|shred|truncate|rmdir) (?:.* )?{_SYSTEM}(?:/\S*)?{_END}",
    ),
    _pattern(
        "rm_top_level",
        "ABB",
        "It removes a folder directly below the root, with everything in it.",
        rf"^rm {_R}.* /(?!tmp(?:/| |$))[^/ ]+(?:/\*?)?{_END}",
    ),
    _pattern(
        "rm_second_level",
        "AAB",
        "It removes a folder two levels below the root, such as /var/lib or a person's home.",
        rf"^rm {_R}.* /(?!tmp/)[^/ ]+/[^/ ]+(?:/\*?)?{_END}",
    ),
    _pattern(
        "rm_unbounded",
        "AAA",
        "What it removes is not bounded by its text: a variable, the current folder, everything in a folder.",
        rf"^rm {_R}.* (?:\S*\$\S*|\*|\.\*?|\.\.\S*|\./\*?|-|/tmp(?:/\*?)?){_END}",
    ),
    _pattern(
        "rm_wide_glob",
        "AAA",
        "It removes every file of a folder that others use too.",
        rf"^rm (?:.* )?/[^/ ]+(?:/[^/ ]+)?/\*{_END}",
    ),
    _pattern("rm_recursive", "--A", "It removes a whole folder.", rf"^rm {_R}"),
    _pattern(
        "find_delete_wide",
        "ABB",
        "It removes what it finds below the root, or below one of the first two levels.",
        rf"^find (?:-\S+ )*(?:/[^/ ]*|/(?!tmp/)[^/ ]+/[^/ ]+)(?: .*)? -delete{_END}",
    ),
    _pattern(
        "find_delete_all",
        "-AA",
        "It removes everything it finds; no name, age or size narrows it.",
        rf"^find (?!.* -(?:i?name|i?path|i?regex|mtime|mmin|ctime|atime|newer\w*|size|empty) ?).* -delete{_END}",
    ),
    _pattern("shred", "AAA", "What it overwrites cannot be brought back.", r"^shred (?!--help)"),
    _pattern("into_nothing", "BBB", "Moving a file to /dev/null loses the file, and the device.", r"^mv .*/dev/null$"),
    _pattern("rsync_delete", "-AA", "It removes files at the destination.", r"^rsync .*--delete"),
    _pattern(
        "write_system",
        "AAA",
        "It writes into a folder of the operating system.",
        rf"^.*[<>&]?>>? (?!/dev/(?:null|std\w+|tty|fd/|shm/)|/proc/self){_SYSTEM}/",
    ),
    _pattern(
        "write_accounts",
        "ABB",
        "It changes who may enter the machine, or as whom.",
        r"^(?:.*>>? |tee .*|sed .*-i.* |cp .* |mv .* |install .* )\S*"
        r"(?:/etc/(?:passwd|shadow|group|gshadow|sudoers\S*|pam\.d/\S*)|/\.ssh/authorized_keys)$",
    ),
    _pattern(
        "permissions_wide",
        "ABB",
        "It changes permissions or owners of a large part of the machine.",
        rf"^(?:chmod|chown|chgrp|setfacl) {_R}.* (?:/\*?|~|\$HOME|{_SYSTEM}(?:/\S*)?|/[^/ ]+(?:/\*?)?){_END}",
    ),
    _pattern(
        "permissions_open",
        "-AA",
        "Everybody may then change these files.",
        rf"^chmod {_R}.* (?:0?777|a\+rwx|o\+w|ugo\+rwx){_END}",
    ),
    _pattern("attributes", "AAA", "It takes away a protection of files.", r"^chattr .*-[a-zA-Z]*[ia]"),
    # Disks
    _pattern(
        "disk_overwrite",
        "BBB",
        "It writes over a disk or a part of one.",
        rf"^(?:dd .*of={_DISK}|(?:tee|cp|mv|shred|cat|badblocks) (?:.* )?{_DISK}$|.*>>?\|? ?{_DISK})",
    ),
    _pattern("dd_device", "ABB", "It writes to a device.", r"^dd .*of=/dev/(?!null|zero|std|tty|shm/)"),
    _pattern(
        "disk_format",
        "ABB",
        "It makes a new file system, partition table or volume; what was there is lost.",
        r"^(?:mkfs(?:\.\w+)?|mke2fs|mkswap|wipefs (?:-a|--all|.* -a)|blkdiscard|sgdisk .*(?:-Z|-o|-d|--zap)"
        r"|s?fdisk (?!-l|-d|--list|--dump)|parted (?!.*(?:-l|--list|print)\b)|(?:pv|vg|lv)remove"
        r"|cryptsetup (?:luksFormat|erase|luksErase)|mdadm .*(?:--zero-superblock|--stop|-S)|z(?:pool|fs) destroy"
        r"|hdparm .*--security-erase)"
        rf"{_END}",
    ),
    _pattern("unmount", "-AA", "Programs lose the files they work on.", r"^(?:umount|swapoff|fuser .*-\w*k\w*)\b"),
    # The machine
    _pattern(
        "power_off",
        "AAB",
        "The machine stops, and nothing here can start it again from inside.",
        r"^(?:halt|poweroff|shutdown (?!.*(?:-r|--reboot|-c|--help))|(?:tel)?init 0"
        r"|systemctl (?:.* )?(?:halt|poweroff))|^shutdown$",
    ),
    _pattern(
        "reboot",
        "AAA",
        "The machine restarts; whatever runs on it ends.",
        r"^(?:reboot|shutdown .*(?:-r|--reboot)|(?:tel)?init [16]|systemctl (?:.* )?(?:reboot|kexec|rescue|emergency"
        r"|isolate|soft-reboot)|kexec .*-\w*e)\b",
    ),
    _pattern("sysrq", "BBB", "It stops the kernel at once.", r"(?:>>? |^tee .*)/proc/sysrq-trigger"),
    _pattern(
        "kill_everything",
        "ABB",
        "It ends all processes, or the first one.",
        r"^(?:kill (?:.* )?(?:-1|1)|killall5(?: .*)?|pkill .*-u roo[t]\b.*|pkill .*(?:\.|\.\*))$",
    ),
    _pattern(
        "firewall",
        "AAB",
        "It opens or closes the machine's network to everybody.",
        r"^(?:ip6?tables(?:-\w+)? .*(?:-F|-X|--flush|-P|--policy)\b|nft flush|ufw (?:.* )?(?:disable|reset)"
        r"|firewall-cmd .*--panic-on)",
    ),
    _pattern(
        "cut_off",
        "AAB",
        "Nobody may reach the machine afterwards, not even to undo it.",
        r"^(?:systemctl (?:.* )?(?:stop|disable|mask) (?:.* )?(?:sshd?|networking|NetworkManager|systemd-networkd"
        r"|walinuxagent|waagent)(?:\.service)?|service (?:sshd?|networking|walinuxagent|waagent) stop"
        rf"|ip link set .*\bdown|ifconfig \S+ down|nmcli (?:.* )?networking off|ip (?:addr|route) flush){_END}",
    ),
    _pattern(
        "accounts",
        "AAA",
        "It takes away an account or its password.",
        r"^(?:userdel|deluser|groupdel|delgroup|usermod .*(?:-L|-e|--lock)|passwd .*-[dl]|chage .*-E|chpasswd)\b",
    ),
    _pattern("services_off", "-AA", "The service stays off after a restart.", r"^systemctl (?:.* )?(?:disable|mask)\b"),
    _pattern(
        "kernel", "AAA", "It changes the running kernel or its protection.", r"^(?:rmmod|modprobe .*-r|setenforce 0)"
    ),
    _pattern(
        "packages",
        "-AA",
        "It removes installed software.",
        r"^(?:apt|apt-get|aptitude|yum|dnf|zypper|apk|snap|pacman|dpkg|rpm) (?:.* )?"
        r"(?:remove|purge|autoremove|erase|del|-R\w*|-P|-e|--purge|--remove|--erase)\b",
    ),
    _pattern("crontab", "AAA", "It removes all timed jobs of the account.", r"^crontab (?:.* )?-r"),
    _pattern(
        "traces",
        "AAA",
        "It removes or avoids the record of what was done.",
        r"^(?:history (?:.* )?-[cdw]|(?:export )?(?:unset )?HIST(?:FILE|SIZE|FILESIZE|CONTROL)\b|journalctl .*--vacuum"
        r"|auditctl .*-[eD]|set \+o history|(?:unset|export -n) HIST)",
    ),
    # Data
    _pattern("sql_drop", "AAB", "It removes tables, columns or whole databases.", rf"{_CLIENT}{_SQL}"),
    _pattern(
        "sql_all_rows",
        "AAA",
        "It changes every row: there is no WHERE.",
        rf"{_CLIENT}{_SQL_ALL_ROWS}",
    ),
    _pattern(
        "database_drop",
        "AAB",
        "It removes a whole database.",
        r"^(?:dropdb|dropuser|pg_dropcluster|mysqladmin .*drop)\b",
    ),
    _pattern(
        "store_flush",
        "AAB",
        "It removes everything the store holds.",
        r"^(?:redis-cli .*(?i:flushall|flushdb)|mongo(?:sh)? .*(?:dropDatabase|\.drop\(|deleteMany\(\{\}\)))",
    ),
    # Clusters and clouds
    _pattern(
        "cluster_wide",
        "ABB",
        "It removes a namespace, or everything of a kind.",
        r"^(?:kubectl|oc) (?:.* )?delete (?:.*--all\b|(?:.* )?(?:ns|namespaces?|pv|crds?|nodes?|project)\b)",
    ),
    _pattern(
        "cluster",
        "-AA",
        "It removes or stops something in a cluster.",
        r"^(?:(?:kubectl|oc) (?:.* )?(?:delete|drain|cordon|replace .*--force|scale .*--replicas=0)|helm (?:.* )?"
        r"(?:uninstall|delete|rollback))\b",
    ),
    _pattern(
        "container_data",
        "AAA",
        "It removes volumes, and the data in them.",
        r"^(?:docker|podman)(?:-compose)? (?:.* )?(?:volume (?:rm|prune)|system prune .*--volumes"
        r"|down .*(?:-v|--volumes)\b|rm .*-\w*v)",
    ),
    _pattern(
        "containers",
        "-AA",
        "It removes containers or images.",
        r"^(?:docker|podman) (?:.* )?(?:(?:system|container|image|builder|network) prune|rm|rmi|kill|swarm leave)\b",
    ),
    _pattern("terraform", "AAB", "It removes what was built.", r"^(?:terraform|tofu|pulumi|cdk) (?:.* )?destroy\b"),
    _pattern(
        "cloud",
        "AAA",
        "It removes something in a cloud account.",
        r"^(?:(?:az|gcloud|gsutil) (?:.* )?(?:delete|purge|rm|rb|deallocate)\b|aws (?:\S+ )*?(?:(?:delete|terminate|"
        r"deregister|purge)-\S+|rm|rb)\b)",
    ),
    _pattern(
        "git",
        "-AA",
        "It loses work that is not in a commit, or commits that others have.",
        r"^git (?:.* )?(?:clean .*-\w*[fdx]|reset .*--hard|push .*(?:--force|-f|--delete|--mirror)\b|branch .*-D"
        r"|checkout (?:-f|--force|-- \.)|stash (?:drop|clear)|restore \.|reflog expire|filter-branch|update-ref -d)",
    ),
    # Code that nobody has seen
    _pattern(
        "remote_code",
        "AAB",
        "It runs whatever another machine sends.",
        rf"^<unseen> (?:.* \| )?{_REMOTE} |^(?:{_SHELL}|source|\.|eval) .*(?:<\(|\$\(){_REMOTE} ",
    ),
    _pattern(
        "unseen_code", "AAB", "A shell runs what another program prints; nobody can read it before.", r"^<unseen> "
    ),
    _pattern("decoded_code", "AAA", "A shell runs text that was made unreadable first.", r"^<decoded> "),
    _pattern("computed_code", "-AA", "It runs a text that is put together while it runs.", r"^eval .*[$`]"),
    _pattern("computed_program", "-AA", "Which program it runs is decided while it runs.", r"^\$|^\S*/\$\S*$"),
    _pattern(
        "hidden_program",
        "AAA",
        "Which program it runs depends on which files there are.",
        r"^(?!\[\[? )(?:\S*[*?\[]\S* |\S*/\S*[*?\[]\S*$)",
    ),
    _pattern(
        "other_language",
        "AAA",
        "Code of another language runs commands or removes files; only a person can judge it.",
        r"^(?:(?:python|perl|ruby|node|nodejs|php|lua|tclsh) (?:.* )?(?:-\w*[ceEr] |<<< )|[gm]?awk ).*(?:\bsystem\b"
        r"|popen|subprocess|rmtree|unlink|os\.remove|rmdir|FileUtils|rmSync|child_process|__import__|\bexec[vl]?\w{0,2}\("
        r"|\beval\b|b64decode|qx[{(/])",
    ),
)

TEXTS = (
    _pattern(
        "fork_bomb",
        "BBB",
        "It starts processes until the machine stands still.",
        r"(?<![\w:.])([\w:.]{1,64})\(\)\{\1\|\1&\};?",
    ),
)
"""Matched against the whole script without its blanks."""

STATEMENTS = (
    _pattern("sql_drop", "AAB", "It removes tables, columns or whole databases.", rf"^{_SQL}"),
    _pattern("sql_all_rows", "AAA", "It changes every row: there is no WHERE.", rf"^{_SQL_ALL_ROWS}"),
    _pattern("sql_shutdown", "AAB", "It ends sessions or the server.", r"(?i)^.*\b(?:pg_terminate_backend|shutdown)\b"),
)
"""Matched against each statement of a query, on one line, without comments."""

POWERSHELL = (
    _pattern(
        "disk_format",
        "ABB",
        "It formats a disk.",
        r"(?i)^.*\b(?:Format-Volume|Clear-Disk|Remove-Partition|format [a-z]:)",
    ),
    _pattern(
        "rm_system",
        "ABB",
        "It removes a drive's root or a folder of Windows.",
        r"(?i)^.*\b(?:Remove-Item|rm|del|rd|rmdir|ri|erase)\b.*[\"' ](?:[a-z]:[\\/]?\*?|\$env:System\w+\S*"
        r"|[a-z]:[\\/]Windows\S*)[\"']?(?: |$)",
    ),
    _pattern(
        "rm_recursive",
        "AAA",
        "It removes a whole folder.",
        r"(?i)^.*\b(?:Remove-Item|rm|ri|del|rd|rmdir)\b.* [-/](?:r\w*|s)\b",
    ),
    _pattern(
        "power_off", "AAA", "The machine stops or restarts.", r"(?i)^.*\b(?:(?:Stop|Restart)-Computer|shutdown)\b"
    ),
    _pattern(
        "computed_code",
        "AAA",
        "It runs a text as code.",
        r"(?i)^.*(?:\bInvoke-Expression\b|\biex\b|-enc\w* |FromBase64String)",
    ),
    _pattern(
        "accounts",
        "AAA",
        "It takes away an account.",
        r"(?i)^.*\b(?:Remove-(?:Local|AD)User|Disable-(?:Local|AD)\w+)\b",
    ),
    _pattern(
        "data", "AAB", "It removes a database or a virtual machine.", r"(?i)^.*\b(?:Remove-(?:Az|Sql|VM)\w*|Drop-\w+)\b"
    ),
    _pattern(
        "firewall", "AAB", "It opens the machine's network.", r"(?i)^.*\bnetsh\b.*\b(?:off|reset)\b|^.*-Enabled +False"
    ),
)
"""Matched against each line of a PowerShell script; it is not unfolded, so this is coarse."""
