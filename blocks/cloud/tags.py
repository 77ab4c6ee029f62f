"""The tags that everything made for a run bears, and the names of what can bear no tags."""

from __future__ import annotations

from datetime import UTC, datetime

from blocks.label import RunLabel

RUN = "chiminey-run"
HOST = "chiminey-host"
INSTALLATION = "chiminey-installation"
_PREFIX = "chiminey-"


def of_run(label: RunLabel, lifetime: float) -> dict[str, str]:
    """The tags of what is made for a run that is to be over after so many seconds. The same however often it is asked."""
    expires = datetime.fromtimestamp(label.created + lifetime, UTC)
    return {
        RUN: label.run,
        "chiminey-name": label.name,
        "chiminey-connector": label.connector,
        "chiminey-owner": label.owner,
        INSTALLATION: label.installation,
        "chiminey-expires": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def of_host(label: RunLabel, lifetime: float, host: str) -> dict[str, str]:
    """The tags of a machine."""
    return {**of_run(label, lifetime), HOST: host}


def name_of(run: str) -> str:
    """What the key pair and the security group of a run are called; its machines' names begin with it."""
    return f"{_PREFIX}{run}"


def machine_name(run: str, host: str) -> str:
    """What a machine is called."""
    return f"{name_of(run)}-{host}"
