# One operation on the machine: sh -c <this> afield OPERATION STATE_FOLDER [ARGUMENT...]. Answers on stdout, after a first
# line that tells where the answer begins; a listing also has a last line, so that one cut short is noticed.
operation=$1 state=$2
shift 2
case $state in
"~") state=$HOME ;;
"~/"*) state=$HOME/${state#??} ;;
esac

# Sets `pid`, `ticks_then`, `boot_then`, `since` and `run_as` from a keeper's claim; fails when there is none.
verdict() {
    { read -r word pid ticks_then boot_then since run_as <"$1/verdict"; } 2>/dev/null && [ "$word" = run ]
}

kept() {
    started "$pid" && [ "$ticks" = "$ticks_then" ] && [ "$(boot)" = "$boot_then" ]
}

gone() { # nothing of the attempt is alive
    [ "$(boot)" != "$boot_then" ] || killer "$1" -
}

start() { # KEY SIZE SHELL TIMEOUT GRACE RUN_AS; the job comes in on stdin
    dir=$state/$1 key=$1 size=$2 shell=$3 timeout=$4 grace=$5 run_as=$6
    [ "$run_as" = "$(id -un)" ] && run_as=
    for tool in setsid tar grep sleep ${shell:+"$shell"} ${run_as:+sudo}; do
        command -v "$tool" >/dev/null || { echo "refused missing_tool $tool"; return; }
    done
    if [ -n "$run_as" ] && ! why=$(as sh -c : 2>&1); then
        echo "refused run_as $why"
        return
    fi
    mkdir -p -m 700 "$state" && why=$(mkdir -m 700 "$dir" 2>&1) || { taken; return; }
    cat >"$dir/job.tar"
    if [ "$(wc -c <"$dir/job.tar")" -ne "$size" ] || ! tar -xf "$dir/job.tar" -C "$dir"; then
        claim "$dir" retired
        echo incomplete
        return
    fi
    cd || cd /
    # The substitution ends when the keeper has said its word and let go of the pipe.
    echo "$(setsid sh "$dir/keeper" "$dir" "$key" "$timeout" "$grace" "$run_as" </dev/null 2>/dev/null &)"
}

taken() {
    if [ ! -d "$dir" ]; then
        echo "failed ${why:-cannot make $state}"
    elif verdict "$dir"; then
        echo started
    elif [ -e "$dir/verdict" ]; then
        echo retired
    else
        echo unclear
    fi
}

look() { # KEY...; `all` for whatever is there
    if [ ! -d "$state" ] || [ ! -r "$state" ]; then
        [ -e "$state" ] && echo unreadable || echo missing
    else
        cd "$state" || exit
        [ "${1:-}" = all ] && set -- afield-*
        for key in "$@"; do show "$key"; done
    fi
    echo "done $#"
}

show() {
    verdict "$1" || return
    if ! ended "$1"; then
        word=running code=- until=-
        if kept; then
            [ -e "$1/stop" ] && word=stopping
        elif ended "$1"; then
            : # it ended between the two looks
        elif ! gone "$1"; then
            word=unkept
        elif [ -e "$1/cancel" ]; then
            word=cancelled
        else
            word=died
        fi
    fi
    printf '%s %s %s %s %s\n' "$1" "$word" "$code" "$since" "$until"
}

ended() {
    { read -r word code until <"$1/end"; } 2>/dev/null
}

cancel() { # KEY GRACE
    dir=$state/$1
    verdict "$dir" || { echo missing; return; }
    [ -e "$dir/end" ] && { echo ended; return; }
    : >"$dir/cancel"
    if kept; then
        kill -s USR1 "$pid" && echo asked
    elif gone "$dir"; then
        echo ended
    else
        killer "$dir" "$2" && echo asked
    fi
}

fetch() { # KEY: how it ended, the two sizes, then stdout and stderr
    cd "$state/$1" 2>/dev/null || { echo missing; return; }
    word=died code=-
    ended . || :
    out=$(wc -c <stdout) err=$(wc -c <stderr)
    echo "output $word $code $((out)) $((err))"
    head -c "$out" stdout
    head -c "$err" stderr
}

retire() { # KEY: from now on it cannot begin
    dir=$state/$1
    mkdir -p -m 700 "$state" "$dir" && claim "$dir" retired
    if verdict "$dir"; then echo started; elif [ -e "$dir/verdict" ]; then echo retired; fi
}

release() { # KEY: what has ended goes, and the marks of attempts that were retired a week ago
    dir=$state/$1
    if verdict "$dir" && [ ! -e "$dir/end" ] && { kept || ! gone "$dir"; }; then
        echo alive
        return
    fi
    [ -e "$dir/verdict" ] && rm -rf "$dir"
    find "$state" -mindepth 2 -maxdepth 2 -name verdict -mtime +7 -exec grep -lx retired {} + 2>/dev/null |
        while read -r old; do rm -rf "${old%/verdict}"; done
    echo released
}

facts() { # SHELL: what a diagnosis wants to know; reads only
    echo "system $(uname -s)"
    echo "user $(id -un)"
    echo "time $(date +%s)"
    for tool in setsid tar grep sleep "$1"; do
        command -v "$tool" >/dev/null || echo "missing $tool"
    done
    [ -r /proc/self/stat ] || echo "missing /proc"
    there=$state
    until [ -e "$there" ]; do there=$(dirname "$there"); done
    echo "folder $there"
    [ -d "$there" ] && [ -w "$there" ] && [ -x "$there" ] && echo "writable yes"
    df -Pk "$there" | { read -r _ && read -r _ _ _ free _ && echo "free_kb $free"; }
}

echo "afield-runner 1"
"$operation" "$@"
