"""What is typed behind ``chiminey resource add KIND NAME``, as a resource."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blocks.errors import InvalidRequest, NotFound
from blocks.mistakes import mistake, suggestion
from cli import access, values

if TYPE_CHECKING:
    from blocks.resource import Resource

_UNSEEN = {
    "password": "use --password, or --keep-password",
    "passphrase": "use --passphrase",
    "private_key": "name its file as private_key_file",
}
_ALIASES = {  # the first that the kind has
    **{alias: (name,) for alias, name in values.JOB_ALIASES.items()},
    "host": ("hosts",),
    "user": ("username",),
    "key": ("access_key", "private_key_file"),
    "secret": ("secret_key",),
    "provider": ("provider_name",),
    "project_name": ("project",),
    "application_credential_id": ("application_credential",),
    "application_credential_secret": ("application_secret",),
    "min": ("minimum",),
    "max": ("maximum",),
    "flavor": ("size",),
}
_NAMED = ("host", "credentials")
_FIRST = "save it first, such as: chiminey resource add ec2 aws access_key=AKIA..."


def resource(kind: type[Resource], pairs: list[str]) -> Any:
    """The resource with these settings; its secrets are still to be asked for.

    Raises:
        InvalidRequest: every setting that is wrong, or that there must be.
    """
    from pydantic import ValidationError

    fields = kind.model_fields
    given: dict[str, Any] = {}
    found: list[str] = []
    for key, text in values.split(pairs).items():
        field = next((name for name in (key, *_ALIASES.get(key, ())) if name in fields), None)
        if field is None:
            found.append(f"there is no setting {key!r}; {suggestion(key, 'setting', list(kind.settings()))}")
            continue
        given[field] = None
        try:
            given[field] = _value(kind, field, text)
        except InvalidRequest as error:
            found += error.problems
    found += _missing(kind, given)
    try:
        block = kind(**{field: value for field, value in given.items() if value is not None})
    except ValidationError as error:
        told = [*given, *_NAMED]  # what is wrong with these is known, or they are
        details = [detail for detail in error.errors() if detail["type"] != "missing" or detail["loc"][0] not in told]
        found += [mistake(dict(detail), "setting", list(fields)) for detail in details]
        raise InvalidRequest(*found) from error
    if found:
        raise InvalidRequest(*found)
    return block


def ask_for_secrets(block: Resource, more: list[str]) -> None:
    """Ask for the secrets that belong to what it was given, and for more that the user names.

    Raises:
        InvalidRequest: there is no such secret, or nobody gives one.
    """
    from pydantic import SecretStr

    kind = type(block)
    known = [name for name in kind.settings() if _is_secret(kind, name)]
    unknown = [name for name in more if name not in known]
    if unknown:
        raise InvalidRequest(*(f"there is no secret {name!r}; {suggestion(name, 'secret', known)}" for name in unknown))
    given = block.model_copy(update=dict.fromkeys(more, SecretStr("")))  # some take the place of what would be asked for
    for name in dict.fromkeys([*getattr(given, "wanted_secrets", []), *more]):
        around = "\r\n" if name == "password" else None  # which may begin and end with a blank; keys don't
        setattr(block, name, access.ask(str(kind.model_fields[name].title).lower(), around=around))


def _value(kind: type[Resource], field: str, text: str) -> Any:
    if _is_secret(kind, field):
        raise InvalidRequest(
            f"{field}: all users of this machine could read it on the command line; {_instead(kind, field)}, or enter it "
            "under Blocks in the Prefect UI"
        )
    if field == "credentials":
        from flows import resources

        try:
            return resources.load_credentials(text)
        except NotFound as error:
            raise InvalidRequest(f"credentials: there are none of the name {text!r}; {_FIRST}") from error
        except InvalidRequest as error:
            raise InvalidRequest(f"credentials: {error}") from error
    if field == "user_data" and text.startswith("@"):
        text = values.read(text[1:])
    if field == "private_key_file" and text and not Path(text).expanduser().is_file():
        raise InvalidRequest(f"private_key_file: there is no file {text}")
    return values.setting(kind.model_fields[field], text)


def _is_secret(kind: type[Resource], field: str) -> bool:
    return "SecretStr" in str(kind.model_fields[field].annotation)


def _instead(kind: type[Resource], field: str) -> str:
    """How else a secret is given."""
    from blocks.transport.ssh_access import SSHAccess

    if issubclass(kind, SSHAccess):
        return _UNSEEN[field]
    return f"leave it out to be asked for it, or use --secret {field} where it is not"


def _missing(kind: type[Resource], given: Mapping[str, Any]) -> list[str]:
    """What there must be, in better words than that it has no default."""
    found: list[str] = []
    if ("hosts" in kind.model_fields or "host" in kind.model_fields) and not (given.get("hosts") or given.get("host")):
        found.append("host: name the machine, such as host=me@login.example.org")
    if "credentials" in kind.model_fields and kind.model_fields["credentials"].is_required() and "credentials" not in given:
        found.append(f"credentials: name the account, such as credentials=aws; {_FIRST}")
    return found
