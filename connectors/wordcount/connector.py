"""wordcount: how often each text that matches a pattern stands in the input, by Hadoop's MapReduce."""

import re
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows import FinishedTask, SmartConnector


class WordCountInputs(BaseModel):
    """What is counted, and by what."""

    model_config = ConfigDict(extra="forbid")

    word_pattern: str = Field(
        default="[a-z.]+",
        min_length=1,
        pattern=r"^[^\r\n]*$",
        title="Word pattern",
        description="A regular expression; every text that matches it is counted, within lines.",
    )


class MapReduceInputs(WordCountInputs):
    """What is counted, and by which program."""

    method: Literal["examples", "streaming"] = Field(
        default="examples",
        title="Method",
        description="examples: Hadoop's own example program, with Java's regular expressions; "
        "streaming: a mapper and a reducer in Python, with Python's.",
    )

    @model_validator(mode="after")
    def _can_be_compiled(self) -> Self:
        if self.method == "streaming":
            try:
                re.compile(self.word_pattern)
            except re.error as error:
                raise ValueError(f"word_pattern {self.word_pattern!r} is no regular expression of Python's: {error}") from error
        return self


class WordCountConnector(SmartConnector):
    """What the connectors that count words have in common: a line with the count, a tab and the word for each in their output."""

    Inputs = WordCountInputs
    compute = ("hadoop",)
    arguments = ("word_pattern",)
    needs_input = True
    example_input = "example_input"
    hdfs = ("input", "output")

    def results(self, task: FinishedTask) -> Mapping[str, int]:
        """How many matches there are, and how many different ones."""
        parts = [entry.path for entry in task.files() if entry.kind == "file" and entry.path.startswith("part-")]
        counts = [int(line.partition(b"\t")[0]) for part in parts for line in task.read(part).split(b"\n") if line]
        return {"matches": sum(counts), "words": len(counts)}


class WordCount(WordCountConnector):
    """Each start point is a folder of texts."""

    name = "wordcount"
    description = "How often each word that matches a pattern stands in some texts, by Hadoop's MapReduce."
    Inputs = MapReduceInputs
    arguments = ("word_pattern", "method")


wordcount = WordCount()
