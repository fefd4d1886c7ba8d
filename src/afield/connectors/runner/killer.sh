# Runs as the script's user: sh -c <this> killer KEY GRACE [LEADER TICKS]. With a GRACE (seconds; else -): asks all that
# the attempt has started to end, then ends it. Fails while something of it is alive. Whatever inherited the attempt's
# mark is found, in whatever session it hides, and whoever shares a session with it; and the session of the script, whose
# process LEADER was started at TICKS.
set -u
mark="AFIELD_ATTEMPT=$1" grace=$2 leader=${3:-} ticks=${4:-}

# Sets `session` of process $1; fails when it is gone or a zombie, and for sessions that are never a script's: those of
# the machine, and the one this runs in. A mistake here would end what is not ours.
own=
session_of() {
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${line##*) }
    [ "$1" = Z ] && return 1
    case ${4:-} in '' | 0 | 1 | "$own" | *[!0-9]*) return 1 ;; esac
    session=$4
}
session_of "$$" && own=$session

# Whether the session LEADER is still the script's. Its number is not given away while somebody is in it.
ours() {
    [ -n "$leader" ] || return
    { read -r line <"/proc/$leader/stat"; } 2>/dev/null || return 0
    set -- ${line##*) }
    [ "${20}" = "$ticks" ]
}

tree() {
    sessions=' '
    ours && sessions=" $leader "
    for found in $(grep -lszxF -e "$mark" /proc/[0-9]*/environ 2>/dev/null); do
        found=${found#/proc/}
        session_of "${found%/environ}" && sessions="$sessions$session "
    done
    [ "$sessions" = ' ' ] && return
    for process in /proc/[0-9]*; do
        session_of "${process#/proc/}" || continue
        case $sessions in *" $session "*) printf '%s\n' "${process#/proc/}" ;; esac
    done
}

# Two looks: a process that becomes another program (execve) has no environment for a moment.
empty() {
    [ -z "$(tree)" ] && sleep 0.02 && [ -z "$(tree)" ]
}

signal() {
    pids=$(tree)
    [ -z "$pids" ] || kill -s "$1" $pids 2>/dev/null
}

if [ "$grace" = - ]; then
    empty
    exit
fi
signal TERM
end=$(($(date +%s) + grace))
while [ "$(date +%s)" -lt "$end" ]; do
    empty && exit 0
    sleep 0.1
done
tries=100
while [ "$tries" -gt 0 ]; do
    signal KILL
    empty && exit 0
    sleep 0.05
    tries=$((tries - 1))
done
exit 1
