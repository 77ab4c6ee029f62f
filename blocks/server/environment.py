"""What the embedded server and its clients have in their environment, so that the server is safe, quick, and found.

Prefect's defaults let any web page in the person's browser and any user of the machine read every stored secret. This
server asks for a password, keeps the key of the stored secrets outside its database, and its files closed to others. It
needs no anti-forgery tokens: a browser sends the password only from the server's own pages, never by itself.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from contextlib import suppress

from blocks.errors import NotFound
from blocks.server import settings
from blocks.server.process import Process

HEARTBEAT = 30  # seconds between a flow run's signs of life, the shortest that Prefect allows
HOST = "127.0.0.1"


def of_server(port: int) -> dict[str, str]:
    """What the server itself is started with; the secrets are made when they are not there yet."""
    folder = settings.folder()
    login = _secret("password", lambda: f"admin:{secrets.token_urlsafe(24)}")
    return _foreign_environment() | {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'prefect.db'}",
        "PREFECT_SERVER_API_AUTH_STRING": login,
        "PREFECT_API_AUTH_STRING": login,  # its own services are clients too
        "PREFECT_SERVER_ENCRYPTION_KEY": _secret("encryption", lambda: base64.urlsafe_b64encode(os.urandom(32)).decode()),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port},http://localhost:{port}",
        # One task run costs 27 ms of the server's time when recorded alone, 6 ms in batches.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "200",
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",  # seconds to wait for SQLite's lock; a browser is not told to try again
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_API_MAX_PARAMETER_SIZE": "0",  # no limit: a sweep may have as many points as we allow
        "PREFECT_SERVER_UI_API_URL": "/api",  # where the pages came from, also through a tunnel
        "PREFECT_LOGGING_COLORS": "false",
    }


def of_client(server: Process) -> dict[str, str]:
    """What a process that uses the server needs.

    Raises:
        NotFound: there is no embedded server yet.
    """
    direct = [host for host in os.environ.get("NO_PROXY", os.environ.get("no_proxy", "")).split(",") if host]
    no_proxy = ",".join(dict.fromkeys([*direct, HOST]))
    return {
        "PREFECT_HOME": str(settings.folder()),
        "PREFECT_API_URL": api(server),
        "PREFECT_API_AUTH_STRING": password(),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",  # a server that is away costs the view of a run, and nothing else
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": os.environ.get("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING"),
        "DO_NOT_TRACK": "1",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def api(server: Process) -> str:
    """The address that its clients use."""
    return f"http://{HOST}:{server.port}/api"


def password() -> str:
    """What the web pages ask for: a secret, to be shown to the person at their request and nowhere else.

    Raises:
        NotFound: there is no embedded server yet.
    """
    try:
        return (settings.folder() / "password.secret").read_text(encoding="ascii")
    except FileNotFoundError:
        raise NotFound("there is no password, for there is no Prefect server yet; start one with chiminey up") from None


def _foreign_environment() -> dict[str, str]:
    """What the server inherits: nothing that would configure it otherwise than here."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


def _secret(name: str, make: Callable[[], str]) -> str:
    file = settings.folder() / f"{name}.secret"
    with suppress(FileExistsError):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as target:
            target.write(make())
    return file.read_text(encoding="ascii")
