"""Which commands change something, as checks should not: data and one question. Pure."""

from __future__ import annotations

import re

from afield.runbooks.unfold import unfold

_WRITERS = re.compile(
    r"^(?:(?:rm|rmdir|mv|cp|dd|tee|truncate|shred|ln|install|chmod|chown|chgrp|kill|pkill|killall|useradd|usermod|userdel"
    r"|reboot|shutdown|crontab (?!-l)|patch|rsync|scp|touch|unlink|wipefs)\b"
    r"|sed .*(?:-\w*i|--in-place)|(?:apt|apt-get|yum|dnf|apk|zypper) .*(?:install|remove|upgrade|update)"
    r"|systemctl (?:.* )?(?:start|stop|restart|reload|enable|disable|mask)\b|service \S+ (?:start|stop|restart|reload)"
    r"|git (?:.* )?(?:commit|push|pull|checkout|reset|clean|merge)\b|find .* -delete"
    r"|kubectl (?:.* )?(?:apply|delete|scale|patch|rollout restart)\b|docker (?:.* )?(?:rm|run|stop|restart|kill)\b"
    r"|curl .*(?:-X *(?:POST|PUT|PATCH|DELETE)|--data|-d |-T )"
    r"|(?:tar|gzip|gunzip|xz|bzip2|zip|unzip) (?!.*(?:-\w*[ltc]\b|--list|--test|--stdout)))"
)
_WRITING_REDIRECT = re.compile(r" >>? (?!/dev/(?:null|stdout|stderr|tty|fd/)|&?\d)\S")


def first_write(script: str) -> str | None:
    """The first command of a script that changes something other than making a missing folder."""
    lines = unfold(script, {}).lines
    return next((line for line in lines if _WRITERS.search(line) or _WRITING_REDIRECT.search(line)), None)
