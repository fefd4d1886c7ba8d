# What the runner's programs share. Linux, a POSIX shell, /proc.
set -u

# Sets `ticks` to the start time of process $1 (ticks since boot); fails when it is gone or a zombie.
started() {
    ticks=
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${line##*) }
    [ "$1" != Z ] && ticks=${20}
}

boot() {
    read -r boot_id </proc/sys/kernel/random/boot_id && printf '%s' "$boot_id"
}

# Runs a command as the user the script runs as.
as() {
    if [ -n "$run_as" ]; then sudo -n -H -u "$run_as" -- "$@"; else "$@"; fi
}

# killer FOLDER GRACE: see there.
killer() {
    leader=
    { read -r leader <"$1/leader"; } 2>/dev/null
    as sh -c "$(cat "$1/killer")" killer "${1##*/}" "$2" $leader
}

# The first to put its word there decides: `run ...` by a keeper, `retired` by whoever wants no run any more.
# The file appears whole or not at all.
claim() {
    printf '%s\n' "$2" >"$1/verdict.$$" && ln "$1/verdict.$$" "$1/verdict" 2>/dev/null
    claimed=$?
    rm -f "$1/verdict.$$"
    return "$claimed"
}

# finish FOLDER WORD CODE
finish() {
    printf '%s %s %s\n' "$2" "$3" "$(date +%s)" >"$1/end.new" && mv "$1/end.new" "$1/end"
}
