"""What hostile programs try. Each attempt is Python code that prints what came of it, and what has to be printed."""

# ruff: noqa: E501  tables read best with a line a case

from __future__ import annotations

import textwrap
from typing import NamedTuple

_TRY = """
import ctypes, errno, os, socket, sys
def attempt(what):
    try:
        print(what())
    except OSError as problem:
        print(errno.errorcode.get(problem.errno, problem.errno))
"""
_CALL = """
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*(ctypes.c_long(a) for a in arguments))
    return 'DONE' if result >= 0 else errno.errorcode[ctypes.get_errno()]
"""


class Attack(NamedTuple):
    """Code, and every line that may come of it."""

    code: str
    allowed: set[str]

    @property
    def source(self) -> str:
        return _TRY + _CALL + textwrap.dedent(self.code)


def _writes(*paths: str) -> str:
    return "\n".join(f"attempt(lambda: open({path!r}, 'w'))" for path in paths)


def _calls(*calls: str) -> str:
    return "\n".join(f"print(call({arguments}))" for arguments in calls)


ATTACKS = {
    "internet socket": Attack("attempt(lambda: socket.socket())", {"EPERM"}),
    "raw and netlink sockets": Attack(
        "attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))\n"
        "attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))",
        {"EPERM"},
    ),
    "only the own loopback interface": Attack(
        "print([line.split(':')[0].strip() for line in open('/proc/net/dev').read().splitlines()[2:]])", {"['lo']"}
    ),
    "write outside": Attack(
        _writes("/x", "/usr/x", "/etc/passwd", "/bin/sh", "/dev/x", "/proc/sys/kernel/hostname", "/proc/self/mem"),
        {"EROFS", "EACCES"},
    ),
    "change the interpreter": Attack("attempt(lambda: os.unlink(os.__file__))", {"EROFS", "EACCES"}),
    "secrets of the host": Attack(
        "for p in ('/etc/shadow', '/etc/ssh', '/var/lib', '/run', '/sys/fs', '/srv', '/home', '/boot'):\n"
        "    attempt(lambda: os.stat(p))",
        {"ENOENT"},
    ),
    "only own processes": Attack("print(sorted(n for n in os.listdir('/proc') if n.isdigit()))", {"['1', '2']"}),
    "look into the init": Attack(
        "for p in ('environ', 'mem', 'fd/0', 'maps', 'root', 'cwd/x'):\n    attempt(lambda: open('/proc/1/' + p).read())",
        {"EACCES", "EPERM"},
    ),
    "kill the init": Attack(
        "import signal; os.kill(1, 9); os.kill(os.getppid(), signal.SIGSTOP); print('ALIVE')", {"ALIVE"}
    ),
    "kill everything": Attack("attempt(lambda: os.kill(-1, 9)); print('ALIVE')", {"ESRCH", "None", "ALIVE"}),
    "kernel calls": Attack(
        _calls(
            "101, 16, 1, 0, 0",  # ptrace attach
            "310, 1, 0, 0, 0, 0, 0",  # process_vm_readv
            "165, 0, 0, 0, 0, 0",  # mount
            "166, 0, 2",  # umount2
            "155, 0, 0",  # pivot_root
            "161, 0",  # chroot
            "272, 0x10000000",  # unshare user
            "272, 0x20000",  # unshare mount
            "308, 0, 0",  # setns
            "56, 0x10000011, 0, 0, 0, 0",  # clone into a user namespace
            "435, 0, 0",  # clone3
            "321, 0, 0, 0",  # bpf
            "298, 0, 0, 0, 0, 0",  # perf_event_open
            "323, 0",  # userfaultfd
            "425, 1, 0",  # io_uring_setup
            "250, 0, 0, 0, 0, 0",  # keyctl
            "304, 0, 0, 0",  # open_by_handle_at
            "428, 0, 0, 0",  # open_tree
            "438, 0, 0, 0",  # pidfd_getfd
            "175, 0, 0, 0",  # init_module
            "169, 0, 0, 0, 0",  # reboot
            "135, 0x0400000",  # personality
            "999",  # not known yet
        ),
        {"EPERM", "ENOSYS"},
    ),
    "become somebody": Attack(
        "attempt(lambda: os.setuid(0)); attempt(lambda: os.setuid(65534)); attempt(lambda: os.setgroups([0]))",
        {"EPERM", "EINVAL"},
    ),
    "no rights left": Attack(
        "s = dict(l.split(':', 1) for l in open('/proc/self/status'))\n"
        "print([int(s[k], 16) for k in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')])\n"
        "print(s['NoNewPrivs'].strip() + s['Seccomp'].strip())",
        {"[0, 0, 0, 0, 0]", "12"},
    ),
    "setuid programs give nothing": Attack(
        "import shutil, stat, subprocess\n"
        "shutil.copy('/usr/bin/id', 'id'); os.chmod('id', 0o6755)\n"
        "print(subprocess.run(['./id', '-u'], capture_output=True, text=True).stdout.strip())\n"
        "print(all(os.statvfs(p).f_flag & os.ST_NOSUID for p in ('/', '/usr', '/box', '/usr/bin')))",
        {"1000", "True"},
    ),
    "device nodes": Attack(
        "import stat\nattempt(lambda: os.mknod('disk', stat.S_IFBLK | 0o600, os.makedev(254, 0)))", {"EPERM"}
    ),
    "descriptors from outside": Attack(
        "print([os.readlink('/proc/self/fd/' + n)[:5] for n in sorted(os.listdir('/proc/self/fd'))[:3]])\n"
        "print(sum(1 for n in range(3, 4096) if os.path.exists(f'/proc/self/fd/{n}')))",
        {"['pipe:', 'pipe:', 'pipe:']", "0"},
    ),
    "large file": Attack(
        "def fill():\n    with open('big', 'wb') as f:\n        for _ in range(40):\n            f.write(bytes(1 << 20))\nattempt(fill)",
        {"EFBIG"},
    ),
    "fill the disk": Attack(
        "def fill():\n    for n in range(40):\n        open(f'/tmp/{n}', 'wb').write(bytes(15 << 20))\nattempt(fill)",
        {"ENOSPC"},
    ),
    "many files": Attack(
        "def many():\n    for n in range(100000):\n        open(f'/tmp/{n}', 'w').close()\nattempt(many)", {"ENOSPC"}
    ),
    "many descriptors": Attack(
        "def many():\n    keep = [open('/dev/null') for _ in range(100000)]\nattempt(many)", {"EMFILE"}
    ),
    "links out of the folder": Attack(
        "attempt(lambda: os.link('/etc/passwd', 'p')); os.symlink('/etc/shadow', 's'); attempt(lambda: open('s'))\n"
        "attempt(lambda: open('../../../../etc/shadow'))",
        {"EXDEV", "EROFS", "EPERM", "ENOENT"},
    ),
    "the last run's files": Attack(
        "print(os.listdir('.'), os.listdir('/tmp'), os.listdir('/dev/shm')); open('/tmp/mine', 'w'); open('/dev/shm/m', 'w')",
        {"['main.py'] [] []"},
    ),
    "environment": Attack(
        "print(sorted(os.environ)); print(open('/proc/self/environ').read().count('CANARY'))",
        {"['HOME', 'LANG', 'PATH', 'TMPDIR', 'USER']", "0"},
    ),
    "host names": Attack("print(os.uname().nodename); attempt(lambda: socket.sethostname('x'))", {"sandbox", "EPERM"}),
    "raise limits": Attack(
        "import resource\n"
        "def up():\n    resource.setrlimit(resource.RLIMIT_NOFILE, (9999, 9999))\n"
        "try:\n    up()\n    print('DONE')\nexcept (ValueError, OSError):\n    print('REFUSED')",
        {"REFUSED"},
    ),
    "be spared by the out of memory killer": Attack(
        "attempt(lambda: open('/proc/self/oom_score_adj', 'w').write('-1000'))\n"
        "print(open('/proc/self/oom_score_adj').read().strip())",
        {"EROFS", "1000"},
    ),
}
