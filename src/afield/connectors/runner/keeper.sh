# Runs on the machine for as long as a script does, in a session of its own: sh keeper FOLDER KEY TIMEOUT GRACE RUN_AS.
# Starts the script, ends it when its time is over or when told to (USR1), and writes down how it ended.
dir=$1 key=$2 timeout=$3 grace=$4 run_as=$5
stop=
trap ': "${stop:=timed_out}"' ALRM
trap ': "${stop:=cancelled}"' USR1
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
        sleep 1 # it may not have been waiting yet
    done
    [ -e "$dir/end" ] || { killer "$dir" "$grace" && finish "$dir" timed_out -; }
}
watch >/dev/null 2>&1 </dev/null &
watcher=$!

wait "$script"
code=$?
kill "$watcher" 2>/dev/null
if [ -n "$stop" ] && [ "$code" -gt 128 ]; then # the wait was broken off
    echo "$stop" >"$dir/stop"
    until killer "$dir" "$grace"; do sleep 1; done
    wait "$script"
    code=$?
    word=$stop
else
    word=ended
fi
[ -n "$run_as" ] && as rm -rf "$apart"
until finish "$dir" "$word" "$code"; do sleep 5; done
