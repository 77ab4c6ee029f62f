# What YARN is asked about applications, which are known by their tags.

applications() { # TAGS: id, type, state, final state and name of each application, with tabs between
    # A name may have tabs and ends of lines in it.
    ask yarn application -list -appStates ALL -appTags "$1" 2>&1 | awk -F '\t' '
        begun != "" { $0 = begun " " $0; begun = "" }
        /^application_[0-9]+_[0-9]+ *\t/ && NF < 9 { begun = $0; next }
        /^application_/ {
            name = $2
            for (i = 3; i <= NF - 7; i++) name = name " " $i
            line = $1 "\t" $(NF - 6) "\t" $(NF - 3) "\t" $(NF - 2) "\t" name
            gsub(/ *\t */, "\t", line)
            sub(/ +$/, "", line)
            print line
            next
        }
        /^Total number of applications/ { told = 1; next }
        /^[ \t]+(at |\.\.\. )/ { next } # of a trace only the reason is of use
        { words = words "\n" $0 }
        END { if (!told) { print "YARN can not be asked:" substr(words, length(words) - 500) > "/dev/stderr"; exit 1 } }'
}

active() { # of the lines that applications gave
    printf "%s\n" "$1" | awk -F '\t' '$3 ~ /^(NEW|NEW_SAVING|SUBMITTED|ACCEPTED|RUNNING)$/'
}

end_applications() { # TAGS: as jobs of MapReduce, which tidy up after themselves, as far as there is time for that; then whatever they are
    known=$(applications "$1") || return 1
    running=$(active "$known")
    [ -n "$running" ] || return 0
    since=$(date +%s)
    for application in $(printf "%s\n" "$running" | awk -F '\t' '$2 == "MAPREDUCE" { sub(/^application/, "job", $1); print $1 }'); do
        [ $(($(date +%s) - since)) -lt "$tidying" ] || break
        ask mapred job -kill "$application" >/dev/null 2>&1
    done
    ask yarn application -kill $(printf "%s\n" "$running" | cut -f 1) >/dev/null 2>&1
    known=$(applications "$1") && [ -z "$(active "$known")" ]
}

tell() { # how the known applications of a task ended, and what YARN says of those that did not end well, the failed ones last
    [ -n "$known" ] || return 0
    printf "%s\n" "$known" | awk -F '\t' '{ print ($4 == "SUCCEEDED" ? 1 : $4 == "FAILED" ? 3 : 2) "\t" $0 }' | sort |
        while IFS='	' read -r rank application type state final name; do
            echo "chiminey: $application ($name, $type): $state, $final" >&2
            [ "$rank" -gt 1 ] || continue
            ask yarn application -status "$application" 2>/dev/null | awk '
                /^\tDiagnostics : / { sub(/^\tDiagnostics : /, ""); on = 1 }
                /^\tUnmanaged Application/ { exit }
                on && NF { words = words (words == "" ? "" : "\n") $0 }
                END { if (words != "") print "chiminey: " id ": " substr(words, 1, 300) }' id="$application" >&2
        done
}

waiting() { # the applications of the run that YARN has not begun, each with the tasks that have told of it: batch/task
    known=$(applications "chiminey-$run") || return
    for application in $(printf "%s\n" "$known" | awk -F '\t' '$3 ~ /^(NEW|NEW_SAVING|SUBMITTED|ACCEPTED)$/ { print $1 }'); do
        for file in $(grep -lsE "$application([^0-9]|\$)" batches/*/*/stderr batches/*/*/stdout); do
            file=${file#batches/}
            echo "$application ${file%/*}"
        done
    done
}
