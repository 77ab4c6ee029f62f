"""Counting words on Hadoop with MapReduce: ``wordcount(compute="hadoop", word_pattern="fo+|bar")`` runs it."""

from connectors.wordcount.connector import wordcount

__all__ = ["wordcount"]
