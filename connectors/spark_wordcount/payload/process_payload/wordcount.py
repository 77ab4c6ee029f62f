"""wordcount.py INPUT OUTPUT PATTERN, by spark-submit: lines with a count, a tab and a word, the most frequent first."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, concat_ws, desc, explode, expr, lit

source, destination, pattern = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
if tuple(map(int, spark.version.split(".")[:2])) < (3, 1):  # of which are the option and the function below
    sys.exit(f"spark-wordcount: Spark {spark.version} is too old, 3.1 is needed; set spark_home of the resource to one")
lines = spark.read.option("recursiveFileLookup", True).text(source).withColumn("pattern", lit(pattern))
words = lines.select(explode(expr("regexp_extract_all(value, pattern, 0)")).alias("word"))
counts = words.groupBy("word").count().orderBy(desc("count"), "word")
counts.select(concat_ws("\t", col("count").cast("string"), "word")).coalesce(1).write.option("compression", "none").text(
    destination
)
spark.stop()
