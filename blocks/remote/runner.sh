# Runs one batch of tasks on a host, at most SLOTS at once, and survives the connection that started it.
#
#   runner.sh RUN BATCH SLOTS LIMIT PREVIOUS         in the run's folder; LIMIT in seconds for each task, 0 for none
#   runner.sh RUN BATCH SLOTS LIMIT - elements/N     in a job of a cluster, which has some of the batch's tasks
#   runner.sh RUN BATCH task ID ATTEMPT START        one task, where the shell can't make process groups itself
#
# POSIX sh; a fork costs more than all else here, so the loop over the tasks uses builtins only. Files of a batch:
#   claimed/ID       made by the one worker that takes the task, with O_EXCL (set -C)
#   done/ID.CODE     how the task ended; empty, so made whole or not at all; "timeout" when it was stopped at its limit
#   timed/ID         the task is being stopped because its time is up
#   reserve          space that is given up to say that there is none
#   stop             made by who cancels: no task is begun any more
# of the runner, in the batch's folder or that of the job's element:
#   tasks            a line for each task: id, attempt, start point
#   slot/N           what worker N runs now: id, process group, start time; or "idle"
#   left/N           worker N has no more to do; its successor in the next batch may begin
#   tick             the time, as long as the runner lives; not in a job, whose life the scheduler knows of
# and of the run: ended, the same ends as lines for who listens.
run=$1 batch=$2
cd "batches/$batch" || exit 1
root=$(cd ../.. && pwd)
if command -v bash >/dev/null 2>&1; then shell=bash; else shell=sh; fi
grace=5 # seconds from a task's first notice of its limit to its end
container= # which container programs have in the environment, for another purpose
. ./environment
export CHIMINEY_RUN_ID="$run"

fail() { echo "chiminey: $1" >&2; exit 125; }

task() {
    id=$1 attempt=$2 start=$3
    cd "$id" || exit 125
    [ -f main.sh ] || cp -R "$root/payload/process_payload/." . || fail "the payload could not be copied to the task's folder"
    [ "$start" = - ] || cp -R "$root/inputs/$start/." smart_connector_input || fail "the input could not be copied to the task's folder"
    export INPUT_DIR="$PWD/smart_connector_input" OUTPUT_DIR="$PWD/chiminey_output"
    export CHIMINEY_TASK_ID="$id" CHIMINEY_ATTEMPT="$attempt" CHIMINEY_VALUES="$INPUT_DIR/values"
    if [ -f "$root/around.sh" ]; then exec "$shell" "$root/around.sh" "$shell" "$batch" "$id" "$root"; fi
    set -- smart_connector_input chiminey_output
    [ ! -f chiminey_arguments ] || . ./chiminey_arguments
    if [ -n "${container-}" ]; then
        if [ -f schedule.sh ]; then inside schedule.sh "$@" || exit; fi
        inside main.sh "$@"
        exit
    fi
    if [ -f schedule.sh ]; then "$shell" schedule.sh "$@" || exit; fi
    exec "$shell" main.sh "$@"
}

inside() { # a script in the container
    command -v apptainer >/dev/null 2>&1 || fail "there is no apptainer command on this host, to run the container $container with"
    apptainer exec --bind "$root" "$container" sh -c 'command -v bash >/dev/null 2>&1 && exec bash "$@"; exec sh "$@"' sh "$@"
}

if [ "$3" = task ]; then task "$4" "$5" "$6" >"$4/stdout" 2>"$4/stderr" </dev/null; exit; fi

slots=$3 limit=$4 previous=$5 own=${6-.}
if [ -n "${BASH_VERSION-}" ]; then launch=; elif command -v setsid >/dev/null 2>&1; then launch=setsid; else launch=env; fi
set -C
before=
[ "$previous" = - ] || read -r before <"../$previous/runner"

if [ "$own" = . ]; then now() { read -r tick <tick || tick=0; }
elif [ -n "${BASH_VERSION-}" ]; then now() { printf -v tick '%(%s)T' -1; }
else now() { tick=$(date +%s); }
fi
group() { kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "$2" 2>/dev/null; }

explain() { # a task that failed on a full disk could not say so itself; a little may come free now and then, as by the tick
    if dd if=/dev/zero of="probe.$1" bs=16384 count=1 2>/dev/null; then rm -f "probe.$1"
    else
        rm -f reserve "probe.$1"
        echo "chiminey: No space left on device: the disk of this host is full" >>"$1/stderr"
    fi
}

work() { # N: takes tasks until none is left
    [ -n "$launch" ] || set -m
    if [ "$previous" != - ]; then
        until [ -e "../$previous/left/$1" ] || [ -e "../$previous/stop" ] || ! kill -0 "$before" 2>/dev/null; do sleep 0.1 2>/dev/null || sleep 1; done
    fi
    while read -r id attempt start; do
        [ ! -e stop ] || break
        [ ! -e "claimed/$id" ] || continue
        { true >"claimed/$id"; } 2>/dev/null || continue
        now
        began=$tick
        if [ -n "$launch" ]; then
            cd "$root" || exit
            $launch "$shell" runner.sh "$run" "$batch" task "$id" "$attempt" "$start" </dev/null &
            cd "batches/$batch" || exit
        else
            (set +C && task "$id" "$attempt" "$start") >|"$id/stdout" 2>|"$id/stderr" </dev/null &
        fi
        process=$!
        echo "$id $process $began" >|"$own/slot/$1"
        [ ! -e stop ] || group KILL "$process" # whoever stopped the batch just now did not find it
        wait "$process"
        code=$?
        # A scheduler that ends a job ends its tasks first, and this worker before it can take that for their own doing.
        [ "$own" = . ] || [ "$code" -le 128 ] || sleep 2
        if [ -e "timed/$id" ]; then code=timeout; group KILL "$process"; fi
        [ "$code" = 0 ] || explain "$id"
        now
        until { true >|"done/$id.$code"; } 2>/dev/null; do
            [ ! -e stop ] || break
            sleep 1
        done
        echo "$batch $id $code $began $tick" >>"$root/ended"
        echo idle >|"$own/slot/$1"
    done <"$own/tasks"
    true >|"$own/left/$1"
}

watch() { # tells the time, and stops what exceeds its limit
    while [ ! -e "$own/finished" ] && kill -0 "$1" 2>/dev/null; do
        [ "$own" != . ] || { date +%s >|tick.new && mv -f tick.new tick; }
        now
        if [ "$limit" -gt 0 ]; then
            for slot in "$own"/slot/*; do
                read -r id process began <"$slot" || continue
                [ "$id" != idle ] || continue
                if [ $((tick - began)) -ge $((limit + grace)) ]; then group KILL "$process"
                elif [ $((tick - began)) -ge "$limit" ]; then true >|"timed/$id" && group TERM "$process"; fi
            done
        fi
        sleep 1
    done
}

[ "$own" != . ] && [ "$limit" -eq 0 ] || watch $$ &
number=0 workers=
while [ "$number" -lt "$slots" ]; do
    work "$number" &
    workers="$workers $!"
    number=$((number + 1))
done
wait $workers
true >|"$own/finished"
[ "$own" != . ] || echo "$batch finished" >>"$root/ended"
