"""Adds the counts of each word, which come one after the other, and writes the sum, a tab and the word."""

import io
import json
import sys
from itertools import groupby

output = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="surrogateescape")  # Python 3.6 can do that
lines = (line.rstrip("\n").split("\t") for line in sys.stdin)
for word, told in groupby(lines, key=lambda pair: pair[0]):
    total = sum(int(count) for _, count in told)
    output.write(f"{total}\t{json.loads(word)}\n")
output.flush()
