"""Hadoop behind a gateway: what a task finds around it there, and what is asked of HDFS and YARN."""
