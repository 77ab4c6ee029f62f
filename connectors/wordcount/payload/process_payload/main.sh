# main.sh INPUT OUTPUT HADOOP_HOME HDFS_INPUT HDFS_OUTPUT PATTERN METHOD
# Counts what matches the pattern in the texts in HDFS_INPUT. The platform has put them there, and fetches HDFS_OUTPUT.
home=$3 input=$4 output=$5 pattern=$6 method=$7

hidden=$(find "$1" -name '[._]*' | sed -n 1p)
if [ -n "$hidden" ]; then
    echo "wordcount: Hadoop passes over what has a name with . or _ before it: rename or remove ${hidden#"$1/"}" >&2
    exit 1
fi

jar() { # FOLDER NAME: where distributions have it
    for found in "$home/share/hadoop/$1/$2"-[0-9]*.jar "$home/../hadoop-mapreduce/$2"*.jar "$home/tools/lib/$2"*.jar \
        "$home/lib/$2"*.jar "$home/$2"*.jar; do
        case ${found##*/} in *-sources.jar | *-test*.jar) continue ;; esac
        if [ -e "$found" ]; then echo "$found"; return; fi
    done
    echo "wordcount: there is no $2 in $home/share/hadoop/$1; ask for Hadoop's $2 to be installed on this host" >&2
    return 1
}

has_succeeded() { # the example program ends well however its two jobs end, and what it then gives is empty
    ended=$(yarn application -list -appStates ALL -appTags "$CHIMINEY_YARN_TAG") || exit
    echo "$ended" | awk -F '\t' '/^application_/ { gsub(/ /, "", $7); if ($7 != "SUCCEEDED") exit 1 }' && return
    # YARN does not say what went wrong in a mapper; here the same program does, with this file for a text.
    mistake=$(hadoop jar "$jar" grep -D mapreduce.framework.name=local -D fs.defaultFS=file:/// "$PWD/main.sh" "$PWD/tried" "$pattern" 2>&1 |
        sed -n 's/.*PatternSyntaxException: *//p' | sed -n 1p)
    [ -z "$mistake" ] || echo "wordcount: word_pattern $pattern is no regular expression of Java's: $mistake" >&2
    exit 1
}

case $method in
    examples)
        jar=$(jar mapreduce hadoop-mapreduce-examples) || exit
        # It keeps a file between its two jobs in the home folder, which may be left there: so that is one that is removed.
        hadoop jar "$jar" grep -D dfs.user.home.dir.prefix="$HADOOP_SCRATCH" \
            -D mapreduce.input.fileinputformat.input.dir.recursive=true -D mapreduce.output.fileoutputformat.compress=false \
            "$input" "$output" "$pattern" || exit
        has_succeeded
        ;;
    streaming)
        jar=$(jar tools/lib hadoop-streaming) || exit
        printf %s "$pattern" >pattern # a file, for variables of streaming jobs can't have spaces
        exec hadoop jar "$jar" -D mapreduce.job.name=wordcount -D mapreduce.input.fileinputformat.input.dir.recursive=true \
            -D mapreduce.output.fileoutputformat.compress=false \
            -files mapper.py,reducer.py,pattern -mapper "python3 mapper.py" -reducer "python3 reducer.py" \
            -input "$input" -output "$output"
        ;;
esac
