"""Prefect's command line as it is run in the background: ``python -m blocks.server.command server start``."""

from __future__ import annotations

import runpy
import signal
import sys


def main() -> None:
    """Run ``prefect`` with this process's arguments."""
    # A shell without a terminal starts what is behind "&" deaf to SIGINT, and the worker turns SIGTERM into SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.argv[1] == "server":
        from blocks.server import sqlite

        sqlite.take_turns()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
