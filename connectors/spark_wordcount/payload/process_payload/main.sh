# main.sh INPUT OUTPUT HADOOP_HOME HDFS_INPUT HDFS_OUTPUT PATTERN
# Counts what matches the pattern in the texts in HDFS_INPUT. The platform has put them there, and fetches HDFS_OUTPUT.
if [ -f pyspark ]; then
    read -r place <pyspark
    export SPARK_HOME="$place/pyspark" PYTHONPATH="$place"
    PATH=$SPARK_HOME/bin:$PATH
fi
hidden=$(find "$1" -name '[._]*' | sed -n 1p)
if [ -n "$hidden" ]; then
    echo "spark-wordcount: Spark passes over what has a name with . or _ before it: rename or remove ${hidden#"$1/"}" >&2
    exit 1
fi
exec spark-submit --master yarn --deploy-mode client --name spark-wordcount wordcount.py "$4" "$5" "$6"
