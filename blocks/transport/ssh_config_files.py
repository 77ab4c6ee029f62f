"""OpenSSH's configuration files as one: what they include stands in its place, in words that paramiko's parser understands."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable, Iterator
from glob import glob
from itertools import islice, takewhile
from pathlib import Path
from typing import TypedDict

import paramiko

from blocks.errors import InvalidRequest

OWN_CONFIG = "~/.ssh/config"
SYSTEM_CONFIG = "/etc/ssh/ssh_config"
DEPTH = 16  # of files that include files, as OpenSSH has it
_FLAGS = frozenset({"all", "canonical", "final"})  # criteria of Match that stand alone
_TESTS = frozenset({"host", "originalhost", "user", "localuser", "exec"})  # and those with something to compare
_OURS = frozenset({"host", "match", "include", "userknownhostsfile", "globalknownhostsfile"})  # keywords that are read here
_PATHS = paramiko.SSHConfig.TOKENS_BY_CONFIG_KEY["identityfile"]


class _Criterion(TypedDict):
    """A part of a Match, as paramiko keeps it."""

    type: str
    param: str
    negate: bool


class _Config(paramiko.SSHConfig):
    """Expands tokens in more paths than paramiko, and none in a ProxyCommand, which means the user and port that are used."""

    TOKENS_BY_CONFIG_KEY = paramiko.SSHConfig.TOKENS_BY_CONFIG_KEY | {
        "proxycommand": [],
        "certificatefile": _PATHS,
        "identityagent": _PATHS,
        "userknownhostsfile": _PATHS,
        "globalknownhostsfile": _PATHS,
    }

    def _does_match(
        self, match_list: list[_Criterion], target_hostname: str, canonical: bool, final: bool, options: paramiko.SSHConfigDict
    ) -> bool:
        """Commands are run here: paramiko's way of it takes our standard input, where a password may be waiting."""
        plain = [each for each in match_list if each["type"] != "exec"]
        if not match_list or (plain and not super()._does_match(plain, target_hostname, canonical, final, options)):  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] -- not in the stubs
            return False
        for each in match_list:
            if each["type"] == "exec":
                command = str(self._tokenize(options, target_hostname, "match-exec", each["param"]))  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
                ended = subprocess.run(command, shell=True, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                if (ended.returncode == 0) == each["negate"]:
                    return False
        return True

    def canonicalize(self, hostname: str, options: paramiko.SSHConfigDict, domains: Iterable[str]) -> str:
        """The name in its domain: that which HostName gave, not the alias, which is no name of a host."""
        name = options["hostname"].replace("%h", hostname)
        many = name.count(".") > int(options.get("canonicalizemaxdots", 1))
        return name if many else super().canonicalize(name, options, domains)


def read(config_file: str | None) -> paramiko.SSHConfig:
    """The settings of a file alone, as ``ssh -F`` takes them; without one, those of the user and then those of the system.

    Raises:
        InvalidRequest: a file is missing that was named, can't be read, or has what is not understood here.
    """
    own = Path(config_file or OWN_CONFIG).expanduser()
    if config_file is not None and not _exists(own):
        raise InvalidRequest(f"The SSH configuration file {own} does not exist; please correct its path.")
    files = {own: Path("~/.ssh").expanduser()}
    if config_file is None:
        files[Path(SYSTEM_CONFIG)] = Path(SYSTEM_CONFIG).parent
    lines = [line for file, folder in files.items() if _exists(file) for line in _lines(file, folder, [], 1)]
    try:  # paramiko insists on domains where names are made canonical; OpenSSH does not
        return _Config.from_text("\n".join([*lines, _header([]), 'CanonicalDomains ""']))
    except (ValueError, paramiko.ConfigParseError) as error:
        raise InvalidRequest(f"The SSH configuration file {own} can't be read ({error}).") from error


def _lines(file: Path, folder: Path, scope: list[str], depth: int) -> Iterator[str]:
    """The lines of a file and of what it includes from ``folder``.

    ``scope`` has the criteria of Match under which the file itself is included: they hold for each of its own blocks too.
    """
    if depth > DEPTH:
        raise InvalidRequest(f"The SSH configuration file {file} is included by itself, or too deep; please correct that.")
    block = scope
    yield _header(block)
    for line in _text(file).split("\n"):
        match _setting(line, file):
            case ["host", *patterns]:
                block = [*scope, "originalhost", ",".join(patterns)]
                yield _header(block)
            case ["match", *criteria]:
                block = [*scope, *_criteria(criteria, file)]
                yield _header(block)
            case ["include", *patterns]:
                for included in _included(patterns, folder):
                    yield from _lines(included, folder, block, depth + 1)
                yield _header(block)
            case [("userknownhostsfile" | "globalknownhostsfile") as keyword, *names]:
                yield f"{keyword} {shlex.join(names)}"  # paramiko would take the quotes of the first name and of the last away
            case _:
                yield line


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except PermissionError:
        return True  # reading it tells what is wrong


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The SSH configuration file {file} can't be read ({error}).") from error


def _setting(line: str, file: Path) -> list[str]:
    """Keyword and words of a line that is not left to paramiko as it is; nothing of any other."""
    found = paramiko.SSHConfig.SETTINGS_REGEX.match(line.strip())
    keyword = found[1].lower() if found else ""
    if found is None or keyword not in _OURS:
        return []
    try:
        words = shlex.split(found[2])
    except ValueError as error:
        raise InvalidRequest(f"The SSH configuration file {file} has a line without its closing quote: {line.strip()}") from error
    return [keyword, *takewhile(lambda word: not word.startswith("#"), words)]


def _included(patterns: list[str], folder: Path) -> Iterator[Path]:
    for pattern in patterns:
        for name in sorted(glob(str(Path(pattern).expanduser()), root_dir=folder)):  # noqa: PTH207 -- of any root
            if not (folder / name).is_dir():
                yield folder / name


def _criteria(words: list[str], file: Path) -> list[str]:
    """The criteria of a Match, without ``all``, which says nothing and which paramiko takes only alone."""
    criteria, rest = list[str](), iter(words)
    for word in rest:
        kind = word.lower().removeprefix("!")
        if kind not in _FLAGS | _TESTS:
            raise InvalidRequest(
                f"The SSH configuration file {file} has 'Match {kind}', which is not understood here; please name "
                "a file without it as config_file."
            )
        if kind != "all":
            criteria += [word.lower(), *islice(rest, 1 if kind in _TESTS else 0)]
    return criteria


def _header(criteria: list[str]) -> str:
    return f"Match {shlex.join(criteria) or 'all'}"
