"""What is kept of a run in a repository: an experiment, of datasets, of files; each may be described by parameter sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class ParameterSet:
    """Values that describe something, by a schema that the repository knows."""

    schema: str  # its namespace: a URL, or a name below the place of the repository's own schemas
    parameters: Mapping[str, str | int | float]


@dataclass(frozen=True)
class CuratedFile:
    """A file of a dataset, or a folder, or a symbolic link."""

    path: str  # in the dataset, with "/" between parts
    size: int  # bytes
    content: Callable[[], Iterator[bytes]]  # from its start, each time it is called; of a link: where it leads
    media_type: str = "application/octet-stream"
    parameter_sets: tuple[ParameterSet, ...] = ()
    kind: Literal["file", "folder", "link"] = "file"
    mode: int = 0o644  # its permissions


@dataclass(frozen=True)
class Dataset:
    """Files that belong together, such as the output of a task. Its name is its own in the experiment."""

    name: str
    files: Callable[[], Iterable[CuratedFile]]  # read as they are asked for, anew each time it is called
    parameter_sets: tuple[ParameterSet, ...] = ()


@dataclass(frozen=True)
class Author:
    """Somebody who made what is kept."""

    name: str  # family name, given name
    affiliation: str = ""
    orcid: str = ""


@dataclass(frozen=True)
class Experiment:
    """A run as a repository is told of it."""

    run: str  # its name, which no other run has
    title: str
    description: str  # plain text
    created: float  # seconds since the epoch
    datasets: Iterable[Dataset]
    parameter_sets: tuple[ParameterSet, ...] = ()
    authors: tuple[Author, ...] = ()
    keywords: tuple[str, ...] = ()
    license: str = ""  # its SPDX identifier


@dataclass(frozen=True)
class Publication:
    """Where an experiment is kept now."""

    identifier: str  # in the repository
    url: str  # for people
    sent: int = 0  # files that were sent this time; others were there before
    warnings: tuple[str, ...] = field(default=())  # what could not be kept as it was described, in sentences
