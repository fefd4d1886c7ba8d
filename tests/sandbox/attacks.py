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
    """Code, and every line that may come of it; `fenced`: what more may come of it without namespaces (`exact`: what alone
    may), None where the attack is known to come to something there (docs/sandbox.md says so).
    """

    code: str
    allowed: set[str]
    fenced: set[str] | None = frozenset()  # type: ignore[assignment]
    exact: bool = False

    def lines(self, *, namespaces: bool) -> set[str] | None:
        """All that may come of it; None where it need not be tried."""
        if namespaces:
            return self.allowed
        return self.fenced if self.fenced is None or self.exact else self.allowed | self.fenced

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
        "print([line.split(':')[0].strip() for line in open('/proc/net/dev').read().splitlines()[2:]])",
        {"['lo']"},
        None,
    ),
    "write outside": Attack(
        _writes("/x", "/usr/x", "/etc/passwd", "/bin/sh", "/dev/x", "/proc/sys/kernel/hostname", "/proc/self/mem"),
        {"EROFS", "EACCES"},
    ),
    "change the interpreter": Attack("attempt(lambda: os.unlink(os.__file__))", {"EROFS", "EACCES"}),
    "secrets of the host": Attack(
        "for p in ('/etc/shadow', '/etc/ssh', '/var/lib', '/run', '/sys/fs', '/srv', '/home', '/boot'):\n"
        "    attempt(lambda: os.open(p, os.O_RDONLY))",
        {"ENOENT"},
        {"EACCES"},
    ),
    "only own processes": Attack(
        "attempt(lambda: {n for n in os.listdir('/proc') if n.isdigit()} == {'1', str(os.getpid())})",
        {"True"},
        {"EACCES"},
    ),
    "command lines of others": Attack(
        "for n in range(1, 400):\n    try: print(open(f'/proc/{n}/cmdline').read() if n not in (1, os.getpid()) else 'x')\n"
        "    except OSError as p: print(errno.errorcode[p.errno])",
        {"x", "ENOENT"},
        {"EACCES"},
    ),
    "look into the lane": Attack(
        "for p in ('environ', 'mem', 'fd/0', 'maps', 'root/x', 'cwd/x'):\n"
        "    attempt(lambda: open(f'/proc/{os.getppid()}/{p}').read())",
        {"EACCES", "EPERM"},
    ),
    "kill the lane": Attack(
        "import signal\nfor number in (9, signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):\n"
        "    attempt(lambda: os.kill(os.getppid(), number)); attempt(lambda: os.kill(1, number))\nprint('ALIVE')",
        {"ALIVE", "None"},
        {"EPERM"},
    ),
    "kill everything": Attack("attempt(lambda: os.kill(-1, 9)); print('ALIVE')", {"ESRCH", "None", "ALIVE"}, {"EPERM"}),
    "signals by other ways": Attack(
        "import fcntl, signal\nattempt(lambda: signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9))\n"
        "r, w = os.pipe()\n"
        "def own():\n    fcntl.fcntl(r, fcntl.F_SETOWN, os.getppid()); fcntl.fcntl(r, fcntl.F_SETSIG, 9)\n"
        "    fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC); os.write(w, b'x')\nattempt(own)\n"
        "print(call(129, os.getppid(), 9, 0), call(234, os.getppid(), os.getppid(), 9))",
        {"None", "EFAULT DONE"},
        {"EPERM", "EFAULT EPERM"},
    ),
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
        "attempt(lambda: os.setuid(0)); attempt(lambda: os.setuid(12345)); attempt(lambda: os.setgroups([0]))",
        {"EPERM", "EINVAL"},
    ),
    "no rights left": Attack(
        "s = dict(l.split(':', 1) for l in open('/proc/self/status'))\n"
        "print([int(s[k], 16) for k in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')])\n"
        "print(s['NoNewPrivs'].strip() + s['Seccomp'].strip())",
        {"[0, 0, 0, 0]", "12"},
    ),
    "setuid programs give nothing": Attack(
        "import shutil, subprocess\n"
        "with open('/usr/bin/id', 'rb') as source, open(os.open('id', os.O_CREAT | os.O_WRONLY, 0o6755), 'wb') as copy:\n"
        "    shutil.copyfileobj(source, copy)\n"
        "for program in ('./id', '/usr/bin/id'):\n"
        "    print(subprocess.run([program, '-u'], capture_output=True, text=True).stdout.strip() == str(os.getuid()) != '0')",
        {"True"},
    ),
    "no place for setuid programs": Attack(
        "print(all(os.statvfs(p).f_flag & os.ST_NOSUID for p in ('/', '/usr', '/box', '/usr/bin')))", {"True"}, None
    ),
    "device nodes": Attack(
        "import stat\nattempt(lambda: os.mknod('disk', stat.S_IFBLK | 0o600, os.makedev(254, 0)))",
        {"EPERM"},
        {"EACCES"},
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
    "many descriptors": Attack(
        "def many():\n    keep = [open('/dev/null') for _ in range(100000)]\nattempt(many)", {"EMFILE"}
    ),
    "links out of the folder": Attack(
        "attempt(lambda: os.link('/etc/passwd', 'p')); os.symlink('/etc/shadow', 's'); attempt(lambda: open('s'))\n"
        "attempt(lambda: open('../../../../etc/shadow'))",
        {"EXDEV", "EROFS", "EPERM", "ENOENT"},
        {"EACCES"},
    ),
    "the last run's files": Attack(
        "tmp = os.environ['TMPDIR']; print(os.listdir('.'), os.listdir(tmp)); open(tmp + '/mine', 'w')\n"
        "attempt(lambda: (os.listdir('/dev/shm'), open('/dev/shm/m', 'w'))[0])",
        {"['main.py'] []", "[]"},
        {"EACCES"},
    ),
    "environment": Attack(
        "print(sorted(os.environ)); print(open('/proc/self/environ').read().count('CANARY'))",
        {"['HOME', 'LANG', 'PATH', 'TMPDIR', 'USER']", "0"},
    ),
    "host name": Attack("print(os.uname().nodename)", {"sandbox"}, None),
    "change the host name": Attack("attempt(lambda: socket.sethostname('x'))", {"EPERM"}),
    "System V objects of others": Attack(
        "print(call(31, -1, 0, 0), call(71, -1, 0, 0), call(66, -1, 0, 11, 0))",
        {"EINVAL EINVAL EINVAL"},
        {"EPERM EPERM EPERM"},
        exact=True,
    ),
    "limits and priorities of others": Attack(
        "libc.prlimit(os.getppid(), 7, (ctypes.c_ulong * 2)(), None)\n"  # the next run would have no descriptors
        "print(call(302, os.getppid(), 7, 0, 0), call(141, 0, os.getppid(), 19), call(141, 2, 0, 19), call(251, 1, 1, 0))\n"
        "attempt(lambda: os.sched_setaffinity(os.getppid(), {0}))\n"
        "attempt(lambda: os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, os.sched_param(0)))\n"
        "attempt(lambda: (os.nice(1), os.sched_setaffinity(0, {0}))[1])",
        {"EPERM EPERM EPERM EPERM", "EPERM", "None"},
    ),
    "change others' files": Attack(
        "for path in (os.__file__, '/usr/bin/id', '/etc'):\n"
        "    attempt(lambda: os.chmod(path, 0)); attempt(lambda: os.utime(path)); attempt(lambda: os.setxattr(path, 'user.x', b''))",
        {"EROFS", "EPERM", "EACCES"},
    ),
    "delete the interpreter's modules": Attack(
        "import shutil; shutil.rmtree(os.path.dirname(os.__file__) + '/json', ignore_errors=True); sys.modules.clear()\nimport colorsys, os, json\n"
        "print(json.loads('true'))",
        {"True"},
    ),
    "huge file names": Attack("attempt(lambda: open('x' * 256, 'w'))\nopen('\\n' * 255, 'w')", {"ENAMETOOLONG"}),
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
        {"EACCES"},
    ),
}
