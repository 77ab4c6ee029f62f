# How a gateway's Hadoop is found, and asked. This file and those beside it are one script, in POSIX sh.
#
# Before them stand the settings: run, hadoop_home, spark_home, base, queue, principal, keytab, properties, spark_options and
# spark_lines; and in seconds: answer, that a question may take, away, that HDFS or YARN may be, and tidying. All that a run has in
# HDFS is below $base/$run, and every application of it in YARN has tags from which the run, the batch and the task are known:
# they are put into a copy of the site's configuration that each task has for itself.
stopped= # not empty once a task is to end

fail() { echo "chiminey: $1" >&2; exit 125; }

home_of() { # COMMAND: the folder with Hadoop's jars; packages have a script of their own in the place of the command
    told=$("$1" envvars 2>/dev/null | sed -n "s/^HADOOP_COMMON_HOME='\(.*\)'$/\1/p")
    for home in "${1%/bin/hadoop}" "$told" /usr/lib/hadoop; do
        if [ -d "$home/share/hadoop" ] || [ -e "$home/hadoop-common.jar" ]; then break; fi
    done
    echo "$home"
}

profiles() { # FOLDER NAMES: takes over variables from the user's profiles, which are read apart: they may do whatever they like
    reader=$(command -v bash) || reader=sh
    for profile in /etc/profile "$HOME/.profile" "$HOME/.bash_profile"; do
        [ -r "$profile" ] || continue
        "$reader" -c 'chiminey_names=$3 chiminey_told=$2
            chiminey_tells() { command -p env | command -p grep -E "^($chiminey_names)=" >"$chiminey_told"; }
            trap chiminey_tells EXIT
            . "$1"' sh "$profile" "$1/profile.$$" "$2" >/dev/null 2>&1 </dev/null
        [ -e "$1/profile.$$" ] || continue
        while IFS= read -r line; do export "$line"; done <"$1/profile.$$"
        rm -f "$1/profile.$$"
    done
}

home_of_java() { # COMMAND: nothing where the folder is not named as it is everywhere
    case $1 in */bin/java) echo "${1%/bin/java}" ;; esac
}

find_configuration() { # what HADOOP_CONF_DIR names is meant, and another in its place would be taken for it
    if [ -n "${HADOOP_CONF_DIR-}" ]; then
        [ -r "$HADOOP_CONF_DIR/core-site.xml" ] || fail "there is no core-site.xml in $HADOOP_CONF_DIR, which HADOOP_CONF_DIR names on this host"
        return
    fi
    for HADOOP_CONF_DIR in "$HADOOP_HOME/etc/hadoop" /etc/hadoop/conf; do
        [ ! -r "$HADOOP_CONF_DIR/core-site.xml" ] || return 0
    done
    fail "there is no core-site.xml in $HADOOP_HOME/etc/hadoop or /etc/hadoop/conf on this host: Hadoop is not set up there"
}

speak_utf8() { # Java takes the names of files and the words of a command for UTF-8 only where the locale says so
    case $(locale charmap 2>/dev/null) in *[Uu][Tt][Ff]-8) return ;; esac
    for name in 'C\.utf-*8' 'en_US\.utf-*8' '.*\.utf-*8'; do
        found=$(locale -a 2>/dev/null | grep -i -x "$name" | sed -n 1p)
        [ -z "$found" ] || break
    done
    [ -n "$found" ] || command -v locale >/dev/null 2>&1 || found=C.UTF-8
    [ -z "$found" ] || export LC_ALL="$found"
}

site() { # FOLDER: finds Hadoop and logs in; FOLDER is the run's, for the Kerberos ticket
    speak_utf8
    if [ -n "$hadoop_home" ]; then
        [ -x "$hadoop_home/bin/hadoop" ] ||
            fail "there is no $hadoop_home/bin/hadoop on this host; set hadoop_home of the resource to the folder that Hadoop is in"
        if [ -n "${JAVA_HOME-}" ]; then :
        elif command -v java >/dev/null 2>&1; then profiles "$1" JAVA_HOME
        else profiles "$1" "PATH|JAVA_HOME"
        fi
        HADOOP_HOME=$hadoop_home
    elif ! command -v hadoop >/dev/null 2>&1; then
        profiles "$1" "PATH|(HADOOP|HDFS|YARN|MAPRED|SPARK|PYSPARK|JAVA|KRB5)[A-Z0-9_]*"
    fi
    [ -z "${HADOOP_HOME-}" ] || PATH="$HADOOP_HOME/bin:$PATH"
    hadoop=$(command -v hadoop) ||
        fail "there is no hadoop command on this host; set hadoop_home of the resource to the folder that Hadoop is in"
    [ -n "${JAVA_HOME-}" ] || ! java=$(command -v java) || JAVA_HOME=$(home_of_java "$(readlink -f "$java")")
    export PATH ${JAVA_HOME:+JAVA_HOME} # without which hadoop does not even tell where it is
    [ -n "${HADOOP_HOME-}" ] || HADOOP_HOME=$(home_of "$(readlink -f "$hadoop")")
    for command in hdfs yarn; do
        command -v "$command" >/dev/null 2>&1 || fail "there is a hadoop command on this host, but no $command: its client is not whole"
    done
    find_configuration
    export HADOOP_HOME HADOOP_CONF_DIR PATH
    if [ -n "$spark_home" ]; then
        [ -x "$spark_home/bin/spark-submit" ] ||
            fail "there is no $spark_home/bin/spark-submit on this host; set spark_home of the resource to the folder that Spark is in"
        export SPARK_HOME="$spark_home"
    fi
    [ -z "${SPARK_HOME-}" ] || PATH="$SPARK_HOME/bin:$PATH"
    login "$1" || fail "Kerberos refuses the keytab $keytab of $principal: $said"
}

login() { # FOLDER: a new ticket, in the place of one that others may be reading
    [ -n "$keytab" ] || return 0
    export KRB5CCNAME="FILE:$1/krb5cc"
    said=$(ask kinit -c "FILE:$1/krb5cc.$$" -k -t "$keytab" "$principal" 2>&1) && mv "$1/krb5cc.$$" "$1/krb5cc"
}

become() { # COMMAND...: a short command of ours, with a JVM that starts quickly and is silent about itself
    export HADOOP_CLIENT_OPTS="${HADOOP_CLIENT_OPTS-} -XX:TieredStopAtLevel=1" HADOOP_ROOT_LOGGER=ERROR,console
    exec "$@" </dev/null
}

own() ( # COMMAND...: the same beside this script
    become "$@"
)

ask() ( # COMMAND...: the same for a question that is given up after a while: Hadoop's clients go on for a quarter of an hour
    become "$@" &
    question=$!
    (
        trap 'kill -s KILL "$!"; exit' USR1 # not TERM, which is ignored once the task is to end
        sleep "$answer" &
        wait "$!" && kill -s KILL "$question"
    ) >/dev/null 2>&1 </dev/null &
    watchdog=$!
    { wait "$question"; } 2>/dev/null
    code=$?
    { kill -s USR1 "$watchdog"; wait "$watchdog"; } 2>/dev/null
    [ "$code" -ne 137 ] || echo "no answer came within $answer seconds" >&2
    exit "$code"
)

patiently() { # CONDITION COMMAND...: again and again while the condition is so, and once when it is not; nor for ever, nor once stopped
    condition=$1 since=$(date +%s) last=
    shift
    until "$@"; do
        [ -z "$stopped" ] && [ $(($(date +%s) - since)) -lt "$away" ] || return 1
        if "$condition"; then
            last=
            sleep 5
        elif [ -n "$last" ]; then return 1
        else last=yes # it may have ended just now
        fi
    done
}
