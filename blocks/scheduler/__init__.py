"""Batches as job arrays of a cluster's scheduler: the session on a login node, and one dialect for each scheduler."""
