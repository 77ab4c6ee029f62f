# Sourced by the commands of bin: where Hadoop is, and how one of its classes is run. In the manner of Hadoop's own file of this name.

HADOOP_HOME=${HADOOP_HOME:-$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)}
while :; do
    case ${1-} in
        --config) HADOOP_CONF_DIR=$2 && shift 2 ;;
        --loglevel) HADOOP_LOGLEVEL=$2 && shift 2 ;;
        *) break ;;
    esac
done
export HADOOP_HOME
export HADOOP_CONF_DIR="${HADOOP_CONF_DIR:-$HADOOP_HOME/etc/hadoop}"
if [ ! -d "$HADOOP_CONF_DIR" ]; then
    echo "ERROR: Cannot find configuration directory \"$HADOOP_CONF_DIR\"" >&2
    exit 1
fi
if [ -f "$HADOOP_CONF_DIR/hadoop-env.sh" ]; then . "$HADOOP_CONF_DIR/hadoop-env.sh"; fi
if [ -z "${JAVA_HOME:-}" ]; then
    echo "ERROR: JAVA_HOME is not set and could not be found." >&2
    exit 1
fi
if [ ! -d "$JAVA_HOME" ]; then
    echo "ERROR: JAVA_HOME $JAVA_HOME does not exist." >&2
    exit 1
fi

share=$HADOOP_HOME/share/hadoop
class_path="$HADOOP_CONF_DIR:$share/common/lib/*:$share/common/*:$share/hdfs:$share/hdfs/*:$share/yarn/*:$share/mapreduce/*"

add_tools() {
    class_path="$class_path:$share/tools/lib/*"
}

# run CLASS ARGUMENTS: becomes the class's program.
run() {
    path=$class_path
    if [ -n "${HADOOP_CLASSPATH:-}" ]; then
        if [ -n "${HADOOP_USER_CLASSPATH_FIRST:-}" ]; then path=$HADOOP_CLASSPATH:$path; else path=$path:$HADOOP_CLASSPATH; fi
    fi
    # What Hadoop reaches into, since Java 16 keeps it closed.
    # shellcheck disable=SC2086  # a list of options
    exec "$JAVA_HOME/bin/java" \
        --add-opens java.base/java.lang=ALL-UNNAMED --add-opens java.base/java.util=ALL-UNNAMED \
        --add-opens java.base/java.net=ALL-UNNAMED --add-opens java.base/java.io=ALL-UNNAMED \
        -Dhadoop.home.dir="$HADOOP_HOME" -Dhadoop.root.logger="${HADOOP_LOGLEVEL:-INFO},console" ${HADOOP_OPTS:-} \
        -classpath "$path" "$@"
}

# run_client CLASS ARGUMENTS: the same for what a user runs.
run_client() {
    HADOOP_OPTS="${HADOOP_OPTS:-} ${HADOOP_CLIENT_OPTS:-}"
    run "$@"
}

# What all the commands know; returns for anything else.
run_common() {
    case $1 in
        classpath) if [ $# -gt 1 ]; then run_client org.apache.hadoop.util.Classpath "$@"; else echo "$class_path" && exit; fi ;;
        envvars) printf "JAVA_HOME='%s'\nHADOOP_CONF_DIR='%s'\nHADOOP_HOME='%s'\n" "$JAVA_HOME" "$HADOOP_CONF_DIR" "$HADOOP_HOME" && exit ;;
        jar) shift && run_client org.apache.hadoop.util.RunJar "$@" ;;
        version) run_client org.apache.hadoop.util.VersionInfo ;;
        [A-Za-z]*.*) run_client "$@" ;; # a class
    esac
}

# unknown ARGUMENTS: ends the command like Hadoop when the first argument is none of its own.
unknown() {
    if [ $# -gt 0 ]; then echo "ERROR: $1 is not COMMAND nor fully qualified CLASSNAME." >&2; fi
    echo "Usage: $(basename "$0") [OPTIONS] SUBCOMMAND [SUBCOMMAND OPTIONS]" >&2
    exit 1
}
