"""Counts the matches of the pattern in the lines of standard input; words are JSON, in which there is no tab."""

import io
import json
import re
import sys
from collections import Counter
from pathlib import Path

MOST = 100_000  # words that are kept, before their counts are told

text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="surrogateescape", newline="\n")  # Python 3.6 can do that
pattern = re.compile(Path("pattern").read_bytes().decode("utf-8", "surrogateescape"))
counts = Counter()


def tell() -> None:
    """Write what was counted, and begin anew."""
    for word, count in counts.items():
        sys.stdout.write(f"{json.dumps(word)}\t{count}\n")
    counts.clear()


for line in text:
    counts.update(match.group() for match in pattern.finditer(line.rstrip("\r\n")))
    if len(counts) > MOST:
        tell()
tell()
