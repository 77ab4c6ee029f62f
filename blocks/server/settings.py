"""Where the person's own Prefect server keeps its files, and whether another server is configured instead.

Nothing here imports Prefect: the command line asks these questions before it pays for that import. The places are those
that Prefect reads, in its order.
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any, cast

from blocks.errors import InvalidRequest
from blocks.home import home


def folder() -> Path:
    """The folder of the embedded server, below the person's own; made when missing, closed to other users."""
    path = home() / "server"
    for each in (home(), path):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def api_url() -> str | None:
    """The address of the Prefect API that the person, or the process, is set up to use; None when there is none.

    Raises:
        InvalidRequest: a settings file can't be read.
    """
    loaded = sys.modules.get("prefect.settings")
    if loaded is not None and (current := loaded.get_current_settings().api.url):  # knows of temporary settings too
        return str(current)
    return os.environ.get("PREFECT_API_URL") or _of_environment_file() or _of_project() or _of_profile()


def _of_environment_file() -> str | None:
    file = Path(".env")
    if not file.is_file():
        return None
    from dotenv import dotenv_values

    return dotenv_values(file).get("PREFECT_API_URL")


def _of_project() -> str | None:
    own = _section(_toml(Path("prefect.toml")), "api")
    shared = _section(_toml(Path("pyproject.toml")), "tool", "prefect", "api")
    return own.get("url") or shared.get("url")


def _of_profile() -> str | None:
    prefect_home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    profiles = _toml(Path(os.environ.get("PREFECT_PROFILES_PATH") or prefect_home / "profiles.toml"))
    active = os.environ.get("PREFECT_PROFILE") or str(profiles.get("active", ""))
    return _section(profiles, "profiles", active).get("PREFECT_API_URL")


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InvalidRequest(f"{file} can't be read as a settings file ({error}); mend it or move it away") from error


def _section(table: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        inner = table.get(name)
        table = cast(dict[str, Any], inner) if isinstance(inner, dict) else {}
    return table
