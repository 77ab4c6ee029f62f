"""JSON files, whatever is in them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from flows import json_file

BYTES = st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)  # how Python has what is no UTF-8 in the name of a file
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | BYTES)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=5)


@given(DOCUMENTS)
def test_what_is_written_is_utf8_and_comes_back(document: object) -> None:
    for written in (json_file.content(document), json_file.line(document)):
        assert json.loads(written.decode("utf-8", "strict")) == document


def test_a_number_that_json_has_not_is_null_wherever_it_is() -> None:
    document = {"a": float("nan"), "b": [float("inf"), 1.5, {"c": -float("inf")}], "d": (float("nan"),), "e": True}

    assert json.loads(json_file.content(document)) == {"a": None, "b": [None, 1.5, {"c": None}], "d": [None], "e": True}
