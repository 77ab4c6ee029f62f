"""The reference pages say what the code says."""

from __future__ import annotations

import pytest

from scripts.reference import ROOT, pages

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_as_the_code_is(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name], "write it anew with: make docs"
