"""The identifiers of researchers: https://support.orcid.org/hc/en-us/articles/360006897674."""

from __future__ import annotations

import re

_FORM = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")


def is_orcid(text: str) -> bool:
    """Whether it has the form of an ORCID, and the check digit of ISO 7064, MOD 11-2."""
    if not _FORM.fullmatch(text):
        return False
    *digits, check = text.replace("-", "")
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11] == check
