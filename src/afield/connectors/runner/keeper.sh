# Runs on the machine for as long as a script does, in a session of its own: sh keeper FOLDER KEY TIMEOUT GRACE RUN_AS.
# Starts the script, ends it when its time is over or when told to (USR1), and writes down how it ended.
dir=$1 key=$2 timeout=$3 grace=$4 run_as=$5
stop= stopped= script= watcher=
# Ends the script, whatever the keeper is doing; one that has not begun yet is ended when it has.
halt() {
    : "${stop:=$1}"
    [ -z "$script" ] && return
    trap '' ALRM USR1 # once is enough: asked again and again, it would begin again and again
    if started "$script"; then stopped=yes; fi
    echo "$stop" >"$dir/stop"
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
    until killer "$dir" "$grace" && ! started "$script"; do sleep 0.1; done
}
trap 'halt timed_out' ALRM
trap 'halt cancelled' USR1
trap '' PIPE # whoever asked may be gone; set back before the script starts
started "$$"
own_ticks=$ticks
if claim "$dir" "run $$ $own_ticks $(boot) $(date +%s) $run_as"; then
    echo started
else
    echo retired
    exit
fi
exec >/dev/null
trap - PIPE

# The script's folder is closed to other users: as one of them, it is unpacked anew, where that user can read it.
apart="/tmp/$key"
unpack='mkdir -m 700 "$1" && tar -xf - -C "$1" begin script && exec sh "$1/begin" </dev/null'
if [ -n "$run_as" ]; then
    setsid sudo -n -H -u "$run_as" -- env "AFIELD_ATTEMPT=$key" sh -c "$unpack" unpack "$apart" \
        <"$dir/job.tar" >"$dir/stdout" 2>"$dir/stderr" &
else
    AFIELD_ATTEMPT=$key setsid sh "$dir/begin" </dev/null >"$dir/stdout" 2>"$dir/stderr" &
fi
script=$!
started "$script" && echo "$script $ticks" >"$dir/leader"

# Wakes the keeper when the time is over; does its work if it is gone.
watch() {
    sleep "$timeout" &
    nap=$!
    trap 'kill "$nap"; exit' TERM
    wait "$nap" || return
    while started "$$" && [ "$ticks" = "$own_ticks" ]; do
        kill -s ALRM "$$"
        sleep 1
    done
    [ -e "$dir/end" ] || { killer "$dir" "$grace" && finish "$dir" timed_out -; }
}
watch >/dev/null 2>&1 </dev/null &
watcher=$!

[ -z "$stop" ] || halt "$stop"
wait "$script"
code=$? word=ended
kill "$watcher" 2>/dev/null
if [ -n "$stopped" ]; then
    wait "$script" # the first wait may have been broken off
    again=$? word=$stop
    [ "$again" -eq 127 ] || code=$again
fi
[ -n "$run_as" ] && as rm -rf "$apart"
until finish "$dir" "$word" "$code"; do sleep 5; done
