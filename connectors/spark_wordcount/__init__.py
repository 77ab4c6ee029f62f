"""Counting words on Hadoop with Spark: ``spark_wordcount(compute="hadoop", word_pattern="fo+|bar")`` runs it."""

from connectors.spark_wordcount.connector import spark_wordcount

__all__ = ["spark_wordcount"]
