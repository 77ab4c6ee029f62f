# Spark, where the host has none: pyspark from PyPI, once for all runs of the user.
if command -v spark-submit >/dev/null 2>&1; then exit; fi
java=$("${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | sed -n 's/.* version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p')
version=4.0.5
[ "${java:-17}" -ge 17 ] || version=3.5.9 # the last for older Javas, which most clusters have
place=${XDG_CACHE_HOME:-$HOME/.cache}/chiminey/pyspark-$version
if [ ! -x "$place/pyspark/bin/spark-submit" ]; then
    mkdir -p "${place%/*}" || exit
    python3 -m pip install --quiet --target "$place.$$" "pyspark==$version" || {
        rm -rf "$place.$$"
        echo "spark-wordcount: there is no spark-submit on this host, and pyspark can't be installed; set spark_home of the resource" >&2
        exit 1
    }
    mv -T "$place.$$" "$place" 2>/dev/null || rm -rf "$place.$$" # another run was faster
fi
echo "$place" >process_payload/pyspark
