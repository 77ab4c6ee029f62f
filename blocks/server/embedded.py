"""The person's own Prefect server: started in the background when nothing else is configured, and started safe."""

from __future__ import annotations

import json
import os
import random
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from blocks.errors import ChimineyError, NotFound, Unreachable
from blocks.home import home
from blocks.server import environment, process, settings
from blocks.server.process import Process

_CLOUD = "api.prefect.cloud"
_START_LIMIT = 180.0  # seconds; a first start takes 10 on a quiet machine
_STOP_LIMIT = 15.0  # seconds
_PORT_LIMIT = 2.0  # seconds
_PORTS = range(12_000, 32_768)  # below those that kernels give to clients, who would take it while the server is away
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through the site's proxy


def configured() -> bool:
    """True when the person uses a Prefect server other than this one; it is then used as it is."""
    address = settings.api_url()
    known = process.recall(_record())
    return address is not None and not (known and address == environment.api(known))


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
    if answers():
        return False
    with process.alone(settings.folder() / "server.lock"):
        if known := running():
            _await(known)
            return False
        _await(_start(process.recall(_record())))
        return True


def connect() -> None:
    """Point this process, and those it starts, at the embedded server, unless another server is configured.

    On any server, runs give signs of life as often as the automations want them. Works before and after Prefect was imported.

    Raises:
        NotFound: there is no embedded server yet; ``ensure`` makes it.
    """
    if configured():
        os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(environment.HEARTBEAT))
        return
    known = process.recall(_record())
    if known is None:
        raise NotFound("there is no Prefect server yet; start one with chiminey up")
    os.environ.update(environment.of_client(known))
    if "prefect" in sys.modules:
        _refresh()


def running() -> Process | None:
    """The embedded server, if it is alive; it may be too busy to answer, or not be ready yet."""
    known = process.recall(_record())
    return known if known and known.alive else None


def answers() -> bool:
    """Whether the server that this process uses is there, be it the embedded one or another."""
    if not configured():
        return (known := running()) is not None and _healthy(known)
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
        if known := running():
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
        address = environment.api(known)
    if urlsplit(address).hostname == _CLOUD:  # whose pages are elsewhere
        from prefect.settings import PREFECT_UI_URL

        return str(PREFECT_UI_URL.value())
    return os.environ.get("PREFECT_UI_URL") or address.removesuffix("/").removesuffix("/api")


def _start(former: Process | None) -> Process:
    port = _free_port(former.port if former else 0)
    arguments = ["server", "start", "--host", environment.HOST, "--port", str(port)]
    return process.start(arguments, environment.of_server(port), settings.folder() / "server.log", _record(), port)


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
        with _DIRECT.open(f"{environment.api(server)}/health", timeout=5.0) as answer:
            return json.load(answer) is True
    except (urllib.error.URLError, OSError, ValueError):
        return False


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


def _free_port(wish: int) -> int:
    """The port that was used before, so that those who use the server find it again; else any that is free."""
    deadline = time.monotonic() + _PORT_LIMIT
    while wish and time.monotonic() < deadline:  # a server that was killed holds it for a moment longer than it lives
        if _is_free(wish):
            return wish
        time.sleep(0.05)
    while not _is_free(port := random.choice(_PORTS)):
        pass
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((environment.HOST, port))
        except OSError:
            return False
    return True


def _record() -> Path:
    return home() / "server" / "server.json"
