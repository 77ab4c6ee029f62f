"""The person's own Prefect server; ``worker`` and ``automations`` beside it import Prefect and are asked for by name."""

from blocks.server.embedded import answers, configured, connect, ensure, running, stop, url
from blocks.server.environment import password

__all__ = ["answers", "configured", "connect", "ensure", "password", "running", "stop", "url"]
