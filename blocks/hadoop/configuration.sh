# The copies of a site's configuration that each task has: its own tags, and what the resource says.

value() { # PART NAME OTHERWISE: of a property in a part of the site's configuration
    cat "$HADOOP_CONF_DIR/$1-site.xml" 2>/dev/null | tr '\n' ' ' | awk '
        { while (start = index($0, "<!--")) {
            rest = substr($0, start + 4)
            end = index(rest, "-->")
            $0 = substr($0, 1, start - 1) (end ? substr(rest, end + 3) : "")
          }
          print }' |
        sed -n "s|.*<name>[[:space:]]*$2[[:space:]]*</name>[[:space:]]*<value>[[:space:]]*\([^<]*\)</value>.*|\1|p" |
        sed 's/[[:space:]]*$//' | grep . || echo "$3"
}

property() { # NAME VALUE
    printf "<property><name>%s</name><value>%s</value></property>\n" "$1" "$2"
}

configure() { # FOLDER TAGS: a copy of the site's configuration in which the properties of the resource and the tags stand last
    # An application that is killed leaves its staging folder; so it is in the run's, while the history stays where it is.
    staging=$(value mapred yarn.app.mapreduce.am.staging-dir /tmp/hadoop-yarn/staging)
    staging=$(value yarn yarn.app.mapreduce.am.staging-dir "$staging") # which Hadoop reads later
    history=$(value mapred mapreduce.jobhistory.intermediate-done-dir "$staging/history/done_intermediate")
    history=$(value yarn mapreduce.jobhistory.intermediate-done-dir "$history")
    case $history in '${yarn.app.mapreduce.am.staging-dir}'*) history=$staging${history#*\}} ;; esac
    mkdir -p "$1" && chmod 700 "$1" && cp -R -L "$HADOOP_CONF_DIR/." "$1" 2>/dev/null # some of it may be the daemons' alone
    [ -s "$1/core-site.xml" ] || fail "Hadoop's configuration in $HADOOP_CONF_DIR can't be copied"
    if [ -f "$1/hadoop-env.sh" ]; then # which may say where the site's is
        chmod u+w "$1/hadoop-env.sh"
        printf "\nexport HADOOP_CONF_DIR='%s'\n" "$(printf "%s" "$1" | sed "s/'/'\\\\''/g")" >>"$1/hadoop-env.sh"
    fi
    for name in core hdfs mapred yarn; do
        source=$HADOOP_CONF_DIR/$name-site.xml file=$1/$name-site.xml
        [ ! -e "$source" ] || [ -r "$source" ] || fail "Hadoop's configuration $source can't be read"
        chmod u+w "$file" 2>/dev/null
        {
            if [ -s "$source" ]; then sed 's|<configuration */>|<configuration>|; s|</configuration>.*||' "$source"
            else echo '<configuration>'; fi
            property yarn.app.mapreduce.am.staging-dir "$place/staging"
            property mapreduce.jobhistory.intermediate-done-dir "$history"
            property mapreduce.job.tags "$2"
            [ -z "$queue" ] || property mapreduce.job.queuename "$queue"
            printf "%s\n" "$properties"
            echo '</configuration>'
        } >"$1/arriving" && mv "$1/arriving" "$file" || fail "Hadoop's configuration can't be written"
    done
    export HADOOP_CONF_DIR="$1" YARN_CONF_DIR="$1"
}

spark_site() { # COMMAND: the folder with the site's configuration of Spark; packages have a script in the place of the command
    for folder in "${SPARK_CONF_DIR-}" "${SPARK_HOME:+$SPARK_HOME/conf}" "${1%/bin/*}/conf" /etc/spark/conf /etc/spark3/conf; do
        if [ -n "$folder" ] && [ -d "$folder" ]; then
            echo "$folder"
            return
        fi
    done
    return 1
}

configure_spark() { # FOLDER TAGS: the same for Spark
    # For a Spark that main.sh finds itself; what a spark-defaults.conf says would win over it.
    options="-Dspark.yarn.tags=$2 -Dspark.yarn.stagingDir=$place ${queue:+-Dspark.yarn.queue=$queue}"
    export SPARK_SUBMIT_OPTS="${SPARK_SUBMIT_OPTS-} $options $spark_options"
    submit=$(command -v spark-submit) || return 0
    defaults=$(spark_site "$(readlink -f "$submit")") || return 0 # in the place of one that is elsewhere, ours would hide it
    mkdir -p "$1" && chmod 700 "$1" || fail "Spark's configuration can't be written"
    cp -R -L "$defaults/." "$1" 2>/dev/null
    [ ! -e "$defaults/spark-defaults.conf" ] || [ -e "$1/spark-defaults.conf" ] || fail "Spark's configuration in $defaults can't be copied"
    if [ -f "$1/spark-env.sh" ]; then # which may say where the site's is
        chmod u+w "$1/spark-env.sh"
        here=$(printf "%s" "$HADOOP_CONF_DIR" | sed "s/'/'\\\\''/g")
        printf "\nexport HADOOP_CONF_DIR='%s' YARN_CONF_DIR='%s'\n" "$here" "$here" >>"$1/spark-env.sh"
    fi
    chmod u+w "$1/spark-defaults.conf" 2>/dev/null
    {
        echo # what is there may end without one
        echo "spark.yarn.tags $2"
        echo "spark.yarn.stagingDir $place"
        [ -z "$queue" ] || echo "spark.yarn.queue $queue"
        printf "%s\n" "$spark_lines"
    } >>"$1/spark-defaults.conf" || fail "Spark's configuration can't be written"
    export SPARK_CONF_DIR="$1"
}
