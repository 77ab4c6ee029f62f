"""Curation resources: where runs are described, and their results kept, for others to find.

``blocks.curation.resource`` has what they can do; it brings Prefect along, and connectors, which only describe, need none.
"""

from blocks.curation.experiment import Author, CuratedFile, Dataset, Experiment, ParameterSet, Publication
from blocks.curation.graphs import graph

__all__ = ["Author", "CuratedFile", "Dataset", "Experiment", "ParameterSet", "Publication", "graph"]
