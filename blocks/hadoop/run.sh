# What a run has in HDFS, and what is looked at before there is one.

remove() { # PATH...: from HDFS
    own hdfs dfs -rm -r -f -skipTrash "$@" >/dev/null
}

hdfs_is_away() { # or takes no changes, as while it starts
    ! ask hdfs dfs -stat %u / >/dev/null 2>&1 || ask hdfs dfsadmin -safemode get 2>/dev/null | grep -q 'is ON'
}

make_folder() { # said: why it can't be made
    said=$(ask hdfs dfs -D fs.permissions.umask-mode=077 -mkdir -p "$1" 2>&1)
}

begin_run() { # FOLDER: the run's place in HDFS, whose absolute path is then in FOLDER/place; all there ever was is in FOLDER/hdfs
    echo "$base/$run" >>"$1/hdfs" || exit
    patiently hdfs_is_away make_folder "$base/$run" && owner=$(ask hdfs dfs -stat %u "$base/$run") ||
        fail "the folder $base can't be used in HDFS: $said"
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

check() { # FOLDER: the versions of Hadoop and, if it is there, Spark, the space in HDFS and the state of the queue
    site "$1"
    own hadoop version 2>/dev/null | sed -n 1p
    if command -v spark-submit >/dev/null 2>&1; then
        ask spark-submit --version 2>&1 | sed -n 's/.*version \([0-9][^ ]*\)$/Spark \1/p' | sed -n 1p
    fi
    make_folder "$base/check" || fail "the folder $base can't be used in HDFS: $said"
    remove "$base/check" || fail "what is made in the folder $base of HDFS can't be removed"
    ask hdfs dfs -df "$base" | tail -n 1
    said=$(applications chiminey-check 2>&1) || fail "YARN can't be asked for applications by their tags, as in Hadoop 3: $said"
    [ -n "$queue" ] || { echo CHOSEN; return; }
    said=$(ask yarn queue -status "$queue" 2>&1) || fail "YARN's queue $queue can't be used: $(echo "$said" | tail -n 1)"
    state=$(echo "$said" | awk '/^\tState : / { print $3 }')
    [ "$state" = RUNNING ] || fail "YARN's queue $queue takes no applications: it is $state"
    echo "$state"
}
