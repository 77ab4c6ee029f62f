"""clouds.yaml, where OpenStack's own tools keep how somebody logs in: what it says of one cloud."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import SecretStr

from blocks.cloud.openstack_login import OpenStackLogin, Reference
from blocks.errors import InvalidRequest

PLACES = ("clouds.yaml", "~/.config/openstack/clouds.yaml", "/etc/openstack/clouds.yaml")  # where its own tools look
_WAYS = ("", "password", "v3password", "v3applicationcredential")  # to log in, as auth_type names them
_OTHER_LOGINS = ("passcode", "system_scope", "token", "trust_id")  # what auth may hold that means another login


def login_of(cloud: str, file: str, region: str) -> OpenStackLogin:
    """How to log in to a cloud.

    Args:
        cloud: its name in the file.
        file: the path of the file; the first that there is of ``PLACES``, if empty.
        region: in the place of what the file says.

    Raises:
        InvalidRequest: the file does not say it, or in a way that is not understood here, each reason being told.
    """
    path = _found(file)
    entry = _entry(path, cloud)
    auth = {str(name): str(value) for name, value in dict(entry.get("auth") or {}).items() if value is not None}
    user, project = _reference(auth, "user_id", "username"), _reference(auth, "project_id", "project_name")
    application = _reference(auth, "application_credential_id", "application_credential_name")
    secret = auth.get("application_credential_secret" if application.is_given else "password", "")
    wrong = [
        *_not_understood(entry, auth),
        *_absent(auth, user, project, application),
        *_choice_of_region(entry, region),
    ]
    if wrong:
        raise InvalidRequest(*(f"the cloud {cloud!r} in {path} {each}" for each in wrong))
    return OpenStackLogin(
        auth["auth_url"],
        SecretStr(secret),
        user,
        _domain(auth, "user_domain", name="Default"),
        project,
        _domain(auth, "project_domain", id="default"),
        application,
        region or next(iter(_regions(entry)), ""),
        str(entry.get("interface") or "public").removesuffix("URL"),
        str(entry.get("cacert") or ""),
        entry.get("verify") is not False,
    )


def _not_understood(entry: Mapping[str, Any], auth: Mapping[str, str]) -> list[str]:
    """What would be another login, or another place, than its own tools take."""
    found: list[str] = []
    if str(entry.get("auth_type") or "") not in _WAYS:
        found.append(f"has the auth_type {entry['auth_type']}, which is not known here; make an application credential for it")
    if entry.get("profile"):
        found.append(f"has the profile {entry['profile']}, which is not known here; write what it stands for in its place")
    if str(entry.get("identity_api_version") or "3").partition(".")[0] != "3":
        found.append("has an identity_api_version other than 3, which is not known here")
    found += [
        f"has {name} in auth, which is not known here; make an application credential for it"
        for name in _OTHER_LOGINS
        if name in auth
    ]
    return found


def _absent(auth: Mapping[str, str], user: Reference, project: Reference, application: Reference) -> list[str]:
    wanted = {"auth_url": bool(auth.get("auth_url"))}
    if application.is_given:
        wanted["application_credential_secret"] = bool(auth.get("application_credential_secret"))
        wanted["username, whose the application credential of that name is,"] = user.is_given or bool(application.id)
    else:
        wanted |= {"username": user.is_given, "password": bool(auth.get("password")), "project_name": project.is_given}
    absent = [name for name, is_there in wanted.items() if not is_there]
    return [f"has no {' and no '.join(absent)}"] if absent else []


def _choice_of_region(entry: Mapping[str, Any], region: str) -> list[str]:
    regions = _regions(entry)
    if region or len(regions) < 2:
        return []
    return [f"has several regions; set region to one of them: {', '.join(regions)}"]


def _regions(entry: Mapping[str, Any]) -> Sequence[str]:
    """That of the cloud, or those, which may have settings of their own."""
    if entry.get("region_name"):
        return [str(entry["region_name"])]
    listed: list[Any] = entry.get("regions") or []
    return [str(cast(dict[str, Any], each).get("name", "")) if isinstance(each, dict) else str(each) for each in listed]


def _reference(auth: Mapping[str, str], id: str, name: str) -> Reference:
    return Reference(auth.get(id, ""), auth.get(name, ""))


def _domain(auth: Mapping[str, str], of: str, id: str = "", name: str = "") -> Reference:
    """The domain of a user or project, or of both; without any, that which every cloud has."""
    own, common = _reference(auth, f"{of}_id", f"{of}_name"), _reference(auth, "domain_id", "domain_name")
    return next((each for each in (own, common) if each.is_given), Reference(id, name))


def _found(file: str) -> Path:
    configured = file or os.environ.get("OS_CLIENT_CONFIG_FILE", "")
    for path in (Path(each).expanduser() for each in ((configured,) if configured else PLACES)):
        if path.is_file():
            return path
    raise InvalidRequest(f"there is no {configured or 'clouds.yaml'}; it would be {configured or ' or '.join(PLACES)}")


def _entry(path: Path, cloud: str) -> Mapping[str, Any]:
    try:
        clouds = dict(yaml.safe_load(path.read_text(encoding="utf-8")).get("clouds") or {})
        secure = path.with_name("secure.yaml")
        secrets = dict(yaml.safe_load(secure.read_text(encoding="utf-8")).get("clouds") or {}) if secure.is_file() else {}
    except (OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise InvalidRequest(f"{path} can't be read as a clouds.yaml: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(clouds.get(cloud), dict):
        raise InvalidRequest(f"{path} has no cloud {cloud!r}; it has {', '.join(map(str, clouds)) or 'none'}")
    entry = cast(dict[str, Any], clouds[cloud])
    hidden = cast(dict[str, Any], secrets.get(cloud) or {})
    return {**entry, "auth": {**dict(entry.get("auth") or {}), **dict(hidden.get("auth") or {})}}
