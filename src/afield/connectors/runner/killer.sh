# Runs as the script's user: sh -c <this> killer KEY [GRACE]. With GRACE (seconds): asks all that the attempt has started
# to end, then ends it. Fails while something of it is alive. Whatever inherited the attempt's mark is found, in whatever
# session it hides, and whoever shares a session with it.
set -u
mark="AFIELD_ATTEMPT=$1" grace=${2:-}

# Sets `session` of process $1; fails when it is gone or a zombie.
session_of() {
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${line##*) }
    [ "$1" != Z ] && session=$4
}

tree() {
    sessions=' '
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

signal() {
    pids=$(tree)
    [ -z "$pids" ] && exit 0
    kill -s "$1" $pids 2>/dev/null
}

if [ -z "$grace" ]; then
    [ -z "$(tree)" ]
    exit
fi
signal TERM
tries=$((grace * 10))
while [ "$tries" -gt 0 ]; do
    [ -z "$(tree)" ] && exit 0
    sleep 0.1
    tries=$((tries - 1))
done
tries=100
while [ "$tries" -gt 0 ]; do
    signal KILL
    sleep 0.05
    tries=$((tries - 1))
done
[ -z "$(tree)" ]
