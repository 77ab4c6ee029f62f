"""The networks on the loopback device that this process has for its servers: test processes that run side by side don't meet."""

from __future__ import annotations

import os

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

HOSTS = f"127.0.{WORKER + 1}"  # .1 to .254
CLOUDS = f"127.{WORKER + 70}"  # .0.0 to .255.255
