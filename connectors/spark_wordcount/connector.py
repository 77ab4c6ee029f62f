"""spark-wordcount: how often each text that matches a pattern stands in the input, by Spark on YARN."""

from connectors.wordcount.connector import WordCountConnector


class SparkWordCount(WordCountConnector):
    """The same as wordcount, with the same regular expressions as Hadoop's example program: Java's."""

    name = "spark-wordcount"
    description = "How often each word that matches a pattern stands in some texts, by Spark on YARN."


spark_wordcount = SparkWordCount()
