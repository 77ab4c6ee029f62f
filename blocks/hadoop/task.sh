# What is around a task.
#
#   around.sh SHELL BATCH ID FOLDER        in a task's folder: its main.sh, with input and output moved to and from HDFS around it

task() { # SHELL BATCH ID ROOT
    shell=$1 batch=$2 id=$3 root=$4
    unset grace # the runner's
    site "$root"
    if [ "$batch" = bootstrap ]; then exec "$shell" main.sh smart_connector_input chiminey_output; fi
    tag=chiminey-$run-$batch-$id
    read -r place <"$root/place"
    configure "$PWD/hadoop_configuration" "chiminey-$run,chiminey-$run-$batch,$tag"
    configure_spark "$PWD/spark_configuration" "chiminey-$run,chiminey-$run-$batch,$tag"
    export HADOOP_INPUT="$place/$batch-$id-input" HADOOP_OUTPUT="$place/$batch-$id-output"
    export HADOOP_SCRATCH="$place/$batch-$id-scratch" CHIMINEY_YARN_TAG="$tag"
    asked=${CHIMINEY_HADOOP-}
    trap 'stopped=yes; trap "" TERM' TERM # once: the runner says it each second, and what is begun from now on is to come to its end
    code=0 known= put= unended=$root/unended-$id
    [ ! -s "$unended" ] || end_all || code=1
    case $code$asked in 0*input*) patiently hdfs_is_away put || code=1 ;; esac
    if [ "$code" -eq 0 ] && [ -z "$stopped" ]; then
        echo "$tag" >>"$unended" || exit
        program
    fi
    login "$root" || echo "chiminey: Kerberos refuses the keytab $keytab of $principal: $said" >&2 # that ticket may be over by now
    [ "$code" -ne 0 ] || await || code=1
    [ -z "$stopped" ] || code=143
    if [ "$code" -eq 0 ]; then rm -f "$unended"; else end_all; fi
    case $code$asked in 0*output*) patiently hdfs_is_away fetch || code=1 ;; esac
    remove "$HADOOP_INPUT" "$HADOOP_OUTPUT" "$HADOOP_SCRATCH" || echo "chiminey: what the task has in HDFS is removed with the run" >&2
    tell
    exit "$code"
}

program() { # schedule.sh and main.sh, with the arguments of the original platform
    set -- smart_connector_input chiminey_output
    case $asked in *arguments*) set -- "$@" "$HADOOP_HOME" "$HADOOP_INPUT" "$HADOOP_OUTPUT" ;; esac
    [ ! -f chiminey_arguments ] || . ./chiminey_arguments
    if [ -f schedule.sh ]; then CHIMINEY_OF_TASK="/$tag/" "$shell" schedule.sh "$@" || code=$?; fi
    [ "$code" -ne 0 ] || [ -n "$stopped" ] || CHIMINEY_OF_TASK="/$tag/" "$shell" main.sh "$@" || code=$?
}

put() { # all of the input but the values, which are not data; the folder itself is named, for HDFS reads names as patterns
    [ -z "$put" ] || remove "$HADOOP_INPUT" # what came there before, for else this would come into it
    mv smart_connector_input/values ./values.kept 2>/dev/null
    own hdfs dfs -put smart_connector_input "$HADOOP_INPUT"
    put=$?
    [ ! -e values.kept ] || mv values.kept smart_connector_input/values
    [ "$put" -eq 0 ] || echo "chiminey: the input could not be put into HDFS" >&2
    return "$put"
}

fetch() { # what is in the output folder, which must be there
    rm -rf fetched && own hdfs dfs -get "$HADOOP_OUTPUT" fetched || {
        echo "chiminey: the output could not be fetched from HDFS: $HADOOP_OUTPUT" >&2
        return 1
    }
    if [ -d fetched ]; then cp -R fetched/. chiminey_output; else cp fetched chiminey_output/output; fi && rm -rf fetched
}

await() { # what main.sh did not wait for; false when an application of that ends badly, YARN can't be asked, or the task is to end
    [ -z "$stopped" ] && learn || return 1
    settled=$(printf "%s\n" "$known" | awk -F '\t' '$3 ~ /^(FINISHED|FAILED|KILLED)$/ { printf "%s ", $1 }')
    if [ -n "$(left_behind)" ]; then
        while [ -z "$stopped" ] && [ -n "$(left_behind)" ]; do sleep 1; done
        [ -z "$stopped" ] && learn || return 1
    fi
    awaited=
    while running=$(active "$known") && [ -n "$running" ]; do
        awaited="$awaited $(printf "%s\n" "$running" | cut -f 1 | tr '\n' ' ')"
        sleep 5
        [ -z "$stopped" ] && learn || return 1
    done
    # Of those that had ended before main.sh did, it could see for itself how.
    printf "%s\n" "$known" | awk -F '\t' '
        NF { final[$1] = $4 }
        END {
            for (number = split(awaited, ids, " "); number; number--)
                if (!(ids[number] in final)) {
                    bad = 1
                    print "chiminey: YARN no longer knows " ids[number] ", nor how it ended" > "/dev/stderr"
                }
            for (number = split(settled, ids, " "); number; number--) delete final[ids[number]]
            for (id in final) if (final[id] != "SUCCEEDED") bad = 1
            exit bad
        }' awaited="$awaited" settled="$settled"
}

learn() { # known: the task's applications
    patiently true ask_again && return
    tail -n 20 yarn.words >&2
    echo "chiminey: so it is not known whether an application of the task still runs" >&2
    return 1
}

ask_again() {
    known=$(applications "$tag" 2>yarn.words)
}

left_behind() { # processes that main.sh has left; but not daemons, which have a session of their own
    here=$(session /proc/$$)
    for file in $(grep -las "CHIMINEY_OF_TASK=/$tag/" /proc/[0-9]*/environ 2>/dev/null); do
        [ "$(session "${file%/environ}")" != "$here" ] || echo "$file"
    done
}

session() { # of a process, which has its folder in /proc
    { read -r line <"$1/stat"; } 2>/dev/null || return
    set -- ${line##*) }
    echo "$4"
}

end_all() { # its applications, and those of attempts before it, which are noted until it is done: else the next attempt does it
    echo "$tag" >>"$unended"
    if patiently true end_applications "$(sort -u "$unended" | paste -s -d , -)" 2>yarn.words; then
        rm -f "$unended"
        return
    fi
    tail -n 20 yarn.words >&2
    echo "chiminey: applications of the task may still run in YARN" >&2
    return 1
}
