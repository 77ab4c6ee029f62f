"""What is removed on a host, so that it is not sent: the patterns of a selection as conditions of ``find``."""

from __future__ import annotations

import re
from shlex import quote

from blocks.selection import Selection
from blocks.work import OUTPUT

_PLAIN = re.compile(r"[!-)+->@-Z^-~ *]*")  # ASCII and "*" alone: the same in every locale of a host


def removal(selection: Selection) -> str:
    """Shell that removes, below the output folders that are its arguments, what is not kept; "" where there is nothing to do.

    It may leave files that are not kept: a host may see characters otherwise, and what it can't be sure of stays.
    """
    always = [f"/{path}" for path in selection.always]
    excluded = _either([pattern for pattern in selection.exclude if _PLAIN.fullmatch(pattern)])
    included = _either([*selection.include, *always])
    commands: list[str] = []
    if excluded:
        spared = f"! {_either(always)} " if always else ""
        commands.append(f'find "$@" {excluded} {spared}-prune -exec rm -rf {{}} +')
    if selection.include and all(_PLAIN.fullmatch(pattern) for pattern in selection.include):
        commands.append(f'find "$@" {included} -prune -o -path {quote(f"*/{OUTPUT}/*")} ! -type d -exec rm -f {{}} +')
    return "\n".join(commands)


def _either(patterns: list[str]) -> str:
    return f"\\( {' -o '.join(map(_condition, patterns))} \\)" if patterns else ""


def _condition(pattern: str) -> str:
    """The condition by which find knows what a pattern names.

    Its ``*`` takes "/" for a character like others; but then the path has more of them than the pattern.
    """
    if "/" not in pattern.rstrip("/"):
        return rf"\( -path {quote(f'*/{OUTPUT}/*')} -name {quote(pattern.rstrip('/'))} \)"
    path = f"*/{OUTPUT}/{pattern.strip('/')}"
    return rf"\( -path {quote(path)} ! -path {quote('*/' * (path.count('/') + 1) + '*')} \)"
