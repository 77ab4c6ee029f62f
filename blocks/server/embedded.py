"""The person's own Prefect server: started in the background when nothing else is configured, and started safe.

Prefect's defaults let any web page in the person's browser and any user of the machine read every stored secret. This
server asks for a password, keeps the key of the stored secrets outside its database, and its files closed to others. It
needs no anti-forgery tokens: a browser sends the password only from the server's own pages, never by itself.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from blocks.errors import ChimineyError, NotFound, Unreachable
from blocks.server import process, settings
from blocks.server.process import Process

HEARTBEAT = 30  # seconds between a flow run's signs of life, the shortest that Prefect allows
_HOST = "127.0.0.1"
_START_LIMIT = 180.0  # seconds; a first start takes 10 on a quiet machine
_STOP_LIMIT = 15.0  # seconds
_PORT_LIMIT = 2.0  # seconds
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through the site's proxy


def configured() -> bool:
    """True when the person uses a Prefect server other than this one; it is then used as it is."""
    address = settings.api_url()
    known = process.recall(_record())
    return address is not None and not (known and address == _api(known))


def ensure() -> bool:
    """See that there is a server to talk to, starting ours when none is configured; True when it was started now.

    Any number of processes may ask at once: one server comes of it.

    Raises:
        ChimineyError: the server did not start; the message names its log.
        Unreachable: another server is configured, and does not answer.
    """
    if configured():
        if not answers():
            address = settings.api_url()
            raise Unreachable(
                f"the Prefect server at {address} does not answer; start it, or unset PREFECT_API_URL to use one of your own"
            )
        return False
    if running():
        return False
    with process.alone(settings.folder() / "server.lock"):
        known = process.recall(_record())
        if known and known.alive:
            _await(known)
            return False
        _await(_start(known))
        return True


def connect() -> None:
    """Point this process, and those it starts, at the embedded server, unless another server is configured.

    On any server, runs give signs of life as often as the automations want them. Works before and after Prefect was imported.

    Raises:
        NotFound: there is no embedded server yet; ``ensure`` makes it.
    """
    if configured():
        os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(HEARTBEAT))
        return
    known = process.recall(_record())
    if known is None:
        raise NotFound("there is no Prefect server yet; start one with chiminey up")
    os.environ.update(_client_environment(known))
    if "prefect" in sys.modules:
        _refresh()


def running() -> Process | None:
    """The embedded server, if it runs and answers."""
    known = process.recall(_record())
    return known if known and known.alive and _healthy(known) else None


def answers() -> bool:
    """Whether the server that this process uses is there, be it the embedded one or another."""
    if not configured():
        return running() is not None
    try:
        with urllib.request.urlopen(f"{settings.api_url()}/health", timeout=5.0):
            return True
    except urllib.error.HTTPError:  # it has an answer, if not to this
        return True
    except (urllib.error.URLError, OSError) as error:
        return isinstance(getattr(error, "reason", None), ssl.SSLError)  # Prefect may know of other certificates


def stop() -> None:
    """Stop the embedded server and wait until it is gone. Its data stay. Nothing when it does not run."""
    with process.alone(settings.folder() / "server.lock"):
        known = process.recall(_record())
        if known and known.alive:
            known.stop(_STOP_LIMIT)


def url() -> str:
    """The address of the web pages, for the person's browser.

    Raises:
        NotFound: there is no server yet.
    """
    address = settings.api_url()
    if address is None:
        known = process.recall(_record())
        if known is None:
            raise NotFound("there is no Prefect server yet; start one with chiminey up")
        address = _api(known)
    return os.environ.get("PREFECT_UI_URL") or address.removesuffix("/").removesuffix("/api")


def password() -> str:
    """What the web pages ask for: a secret, to be shown to the person at their request and nowhere else.

    Raises:
        NotFound: there is no embedded server yet.
    """
    try:
        return (settings.folder() / "password.secret").read_text(encoding="ascii")
    except FileNotFoundError:
        raise NotFound("there is no password, for there is no Prefect server yet; start one with chiminey up") from None


def _start(former: Process | None) -> Process:
    port = _free_port(former.port if former else 0)
    arguments = ["server", "start", "--host", _HOST, "--port", str(port)]
    server = process.start(arguments, _server_environment(port), settings.folder() / "server.log", port)
    server.remember(_record())
    return server


def _await(server: Process) -> None:
    deadline = time.monotonic() + _START_LIMIT
    log = settings.folder() / "server.log"
    while not _healthy(server):
        if not server.alive:
            raise ChimineyError(f"the Prefect server ended while it started; the reason is at the end of {log}")
        if time.monotonic() > deadline:
            raise ChimineyError(f"the Prefect server does not answer after {_START_LIMIT:.0f} seconds; its log is {log}")
        time.sleep(0.1)


def _healthy(server: Process) -> bool:
    try:
        with _DIRECT.open(f"{_api(server)}/health", timeout=5.0) as answer:
            return json.load(answer) is True
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _server_environment(port: int) -> dict[str, str]:
    folder = settings.folder()
    login = _secret("password", lambda: f"admin:{secrets.token_urlsafe(24)}")
    return _foreign_environment() | {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'prefect.db'}",
        "PREFECT_SERVER_API_AUTH_STRING": login,
        "PREFECT_API_AUTH_STRING": login,  # its own services are clients too
        "PREFECT_SERVER_ENCRYPTION_KEY": _secret("encryption", lambda: base64.urlsafe_b64encode(os.urandom(32)).decode()),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{_HOST}:{port},http://localhost:{port}",
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
        "PREFECT_SERVER_UI_API_URL": "/api",  # where the pages came from, also through a tunnel
        "PREFECT_LOGGING_COLORS": "false",
    }


def _client_environment(server: Process) -> dict[str, str]:
    direct = [host for host in os.environ.get("NO_PROXY", os.environ.get("no_proxy", "")).split(",") if host]
    no_proxy = ",".join(dict.fromkeys([*direct, _HOST]))
    return {
        "PREFECT_HOME": str(settings.folder()),
        "PREFECT_API_URL": _api(server),
        "PREFECT_API_AUTH_STRING": password(),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",  # a server that is away costs the view of a run, and nothing else
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": os.environ.get("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING"),
        "DO_NOT_TRACK": "1",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def _refresh() -> None:
    """Make a Prefect that is already imported look at the environment again."""
    from prefect.context import SettingsContext, get_settings_context, refresh_global_settings_context
    from prefect.logging.configuration import setup_logging
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME

    refresh_global_settings_context()
    current = get_settings_context()
    if current.settings.api.url != os.environ["PREFECT_API_URL"]:  # the caller stands in settings of its own making
        ours: list[Any] = [PREFECT_API_URL, PREFECT_API_AUTH_STRING, PREFECT_HOME]
        updates = {setting: os.environ[setting.name] for setting in ours}
        SettingsContext(profile=current.profile, settings=current.settings.copy_with_update(updates=updates)).__enter__()
    setup_logging()


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


def _free_port(wish: int) -> int:
    """The port that was used before, so that those who use the server find it again; else any that is free."""
    deadline = time.monotonic() + _PORT_LIMIT
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, wish))
            except OSError:  # a server that was killed holds it for a moment longer than it lives
                if time.monotonic() > deadline:
                    wish = 0
            else:
                return probe.getsockname()[1]
        time.sleep(0.05)


def _record() -> Path:
    return settings.home() / "server" / "server.json"


def _api(server: Process) -> str:
    return f"http://{_HOST}:{server.port}/api"
