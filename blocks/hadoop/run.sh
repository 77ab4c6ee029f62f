# What a run has in HDFS, and what is looked at before there is one.

remove() { # PATH...: from HDFS
    own hdfs dfs -rm -r -f -skipTrash "$@" >/dev/null
}

hdfs_is_away() { # or takes no changes, as while it starts; of several name nodes it is enough that one does
    ask hdfs dfs -stat %u / >/dev/null 2>&1 || return 0
    case $(ask hdfs dfsadmin -safemode get 2>/dev/null) in *"is OFF"*) return 1 ;; *"is ON"*) return 0 ;; esac
    return 1
}

make_folder() { # said: why it can't be made
    said=$(ask hdfs dfs -D fs.permissions.umask-mode=077 -mkdir -p "$1" 2>&1)
}

is_refused() { # whether nobody need wait for HDFS: it says no itself, or the gateway can't reach it as it is set up
    case $said in *UnknownHost* | *[Aa]uthenticat* | *Kerberos*) return 0 ;; esac
    ! hdfs_is_away
}

begin_run() { # FOLDER: the run's place in HDFS, whose absolute path is then in FOLDER/place; all there ever was is in FOLDER/hdfs
    folder=$1 before=$(cat "$1/hdfs" 2>/dev/null)
    echo "$base/$run" >>"$1/hdfs" || exit
    is_to_be_waited_for() { [ -e "$folder/hdfs" ] && ! is_refused; } # a run that has ended meanwhile has no folder any more
    if ! patiently is_to_be_waited_for make_folder "$base/$run"; then
        if is_refused; then # so there is nothing to remove
            rm -f "$1/hdfs"
            [ -z "$before" ] || echo "$before" >"$1/hdfs"
        fi
        fail "the folder $base can't be used in HDFS: $said"
    fi
    [ -e "$1/hdfs" ] || { remove "$base/$run"; fail "the run has ended meanwhile"; }
    owner=$(ask hdfs dfs -stat %u "$base/$run") || fail "the folder $base can't be used in HDFS"
    case $base in
        /*) place=$base/$run ;;
        *) homes=$(ask hdfs getconf -confKey dfs.user.home.dir.prefix 2>/dev/null)
            place=${homes:-/user}/$owner/$base/$run ;;
    esac
    { grep -vxF -e "$base/$run" -e "$place" "$1/hdfs"; echo "$place"; } >"$1/hdfs.new" && mv "$1/hdfs.new" "$1/hdfs" &&
        echo "$place" >"$1/place.new" && mv "$1/place.new" "$1/place"
}

end_run() { # FOLDER: nothing of the run is left in YARN or in HDFS, wherever the resource has had its folder meanwhile
    [ -e "$1/hdfs" ] || return 0
    site "$1"
    places=$(sort -u "$1/hdfs") # a place may have two names, of which the second is gone with the first
    end_applications "chiminey-$run" && { remove $places 2>/dev/null || remove $places; } ||
        fail "its applications or its folder in HDFS are not removed yet"
}

find_hadoop() { # FOLDER: fails unless there is a Hadoop that starts, and is set up for an HDFS
    site "$1"
    version=$(ask hadoop version 2>&1) || fail "Hadoop does not start on this host: $version"
    ! echo "$version" | grep -q '^Hadoop [012]\.' ||
        fail "this is $(echo "$version" | grep '^Hadoop '), which can't list applications by their tags; Hadoop 3 is needed"
    filesystem=$(value core fs.defaultFS "")
    [ -n "$filesystem" ] || filesystem=$(ask hdfs getconf -confKey fs.defaultFS 2>/dev/null) # what it includes, or an old name has
    case $filesystem in
        "" | file:*) fail "Hadoop's configuration in $HADOOP_CONF_DIR names no HDFS: it has no fs.defaultFS, or one of files on this host; where it is elsewhere, set HADOOP_CONF_DIR in ~/.bashrc there" ;;
    esac
}

last_words() { # of what Java says, without the frames of a trace
    grep -vE '^[[:space:]]*(at |\.\.\. )' | tail -n 1
}

check() { # FOLDER: the versions of Hadoop and, if it is there, Spark, the space in HDFS and the state of the queue
    find_hadoop "$1"
    echo "$version" | sed -n '/^Hadoop /{p;q;}'
    if command -v spark-submit >/dev/null 2>&1; then
        ask spark-submit --version 2>&1 | sed -n 's/.*version \([0-9][^ ]*\)$/Spark \1/p' | sed -n 1p
    fi
    make_folder "$base/check" || fail "the folder $base can't be used in HDFS: $said"
    remove "$base/check" || fail "what is made in the folder $base of HDFS can't be removed"
    ask hdfs dfs -df "$base" | tail -n 1
    said=$(applications chiminey-check 2>&1) || case $said in
        *"nrecognized option"*) fail "this Hadoop can't list applications by their tags; Hadoop 3 is needed" ;;
        *) fail "YARN does not answer: $(echo "$said" | last_words)" ;;
    esac
    [ -n "$queue" ] || { echo CHOSEN; return; }
    said=$(ask yarn queue -status "$queue" 2>&1) || fail "YARN's queue $queue can't be used: $(echo "$said" | last_words)"
    state=$(echo "$said" | awk '/^\tState : / { print $3 }')
    [ "$state" = RUNNING ] || fail "YARN's queue $queue takes no applications: it is $state"
    echo "$state"
}
