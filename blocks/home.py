"""Where Chiminey keeps what is a person's own: the ledger, the embedded server, the seed of keys for machines."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder of everything that Chiminey keeps for this person: ``CHIMINEY_HOME``, or ``~/.chiminey``."""
    return Path(os.environ.get("CHIMINEY_HOME") or "~/.chiminey").expanduser().absolute()
