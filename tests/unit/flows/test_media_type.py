"""Media types, as repositories and crates are told them."""

from __future__ import annotations

import pytest

from flows import media_type
from flows.crate.entities import file


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "text/csv"),
        ("deep/a.csv", "text/csv"),
        ("a.csv.gz", "application/gzip"),
        ("x.tar.gz", "application/gzip"),
        ("x.tgz", "application/gzip"),
        ("a.json.xz", "application/x-xz"),
        ("a.txt.bz2", "application/x-bzip2"),
        ("a.txt.Z", "application/octet-stream"),
        ("data:,x.csv", "text/csv"),
        ("a.strange", "application/octet-stream"),
    ],
)
def test_the_type_is_that_of_the_file_and_not_of_what_is_packed_in_it(name: str, expected: str) -> None:
    assert media_type.of(name) == expected
    assert file(name, (1, "0"))["encodingFormat"] == expected
