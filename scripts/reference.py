"""Writes the reference pages of docs/ from the docstrings, fields and commands of the code: ``make docs``.

docs/commands.md has every command with its options, docs/python.md what a connector's author uses, and docs/resources.md the
settings of every kind of resource. A test sees that they are as the code is.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from textwrap import dedent
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import flows
from blocks import errors
from blocks.resource import Resource
from flows import resources

ROOT = Path(__file__).parents[1]
_ATTRIBUTE = re.compile(r"    (?P<name>[a-z]\w*): (?P<type>[^=#]+?)(?: = [^#]+?)?(?:  # (?P<comment>.*))?")
_NOTE = "<!-- Made from the code by 'make docs'. -->\n"


def pages() -> dict[str, str]:
    """Every page, by its name."""
    return {"commands.md": _commands(), "python.md": "".join(_python()), "resources.md": "".join(_resources())}


def _commands() -> str:
    command = [sys.executable, "-m", "typer", "cli.main", "utils", "docs", "--name", "chiminey", "--title", "Commands"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return f"{_NOTE}{made.strip()}\n"


def _python() -> Iterator[str]:
    yield f"{_NOTE}# In Python\n\n`from flows import ...` has all that a connector's author uses.\n"
    for name in flows.__all__:
        yield from _class(cast(type, getattr(flows, name)))
    yield "\n# Errors\n\nAll are in `blocks.errors`; catch them by what they mean.\n"
    yield "\n| error | meaning | exit code | worth another try |\n|---|---|---|---|\n"
    for error in _tree(errors.ChimineyError):
        first = inspect.cleandoc(error.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        again = "yes" if error.transient else "no"
        yield f"| `{error.__name__}` | {first} | {error.exit_code} | {again} |\n"


def _tree(error: type[errors.ChimineyError]) -> Iterator[type[errors.ChimineyError]]:
    yield error
    for child in error.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


def _class(described: type) -> Iterator[str]:
    yield f"\n## {described.__name__}\n\n{_text(described)}"
    if issubclass(described, BaseModel) and described is not flows.RunResult:
        yield from _fields(described)
    else:
        yield from _attributes(described)
    for name, member in vars(described).items():
        if name == "__call__" or not name.startswith("_"):
            yield from _member(f"{described.__name__}.{name}", member)


def _member(name: str, member: Any) -> Iterator[str]:
    if inspect.isfunction(member) and member.__doc__:
        yield f"\n### `{name}{_signature(member)}`\n\n{_text(member)}"
    elif isinstance(member, cached_property):
        yield f"\n### `{name}: {inspect.signature(member.func).return_annotation}`\n\n{_text(member)}"


def _attributes(described: type) -> Iterator[str]:
    """What a class has, by the lines that declare it, with the comments behind them."""
    found = [match for line in inspect.getsource(described).splitlines() if (match := _ATTRIBUTE.fullmatch(line))]
    if found:
        yield "\n| attribute | type | meaning |\n|---|---|---|\n"
    for match in found:
        kind = match["type"].removeprefix("ClassVar[").removesuffix("]" if match["type"].startswith("ClassVar[") else "")
        yield f"| `{match['name']}` | `{kind.replace('|', chr(92) + '|')}` | {(match['comment'] or '').replace('``', '`')} |\n"


def _signature(function: Any) -> str:
    shown = inspect.signature(function)
    parameters = [parameter for name, parameter in shown.parameters.items() if name != "self"]
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(shown.replace(parameters=parameters)))  # annotations are strings


def _text(documented: Any) -> str:
    """A docstring as Markdown: its sections with a heading, references to code as code."""
    body, *sections = re.split(r"^(Raises|Example):\n", inspect.cleandoc(documented.__doc__ or ""), flags=re.MULTILINE)
    parts = [body.strip()]
    for title, text in zip(sections[::2], sections[1::2], strict=True):
        parts += [f"*{title}*", dedent(text).strip()]
    return "\n\n".join(parts).replace("::\n", ":\n").replace("``", "`") + "\n"


def _fields(model: type[BaseModel]) -> Iterator[str]:
    if model.model_fields:
        yield "\n| setting | default | meaning |\n|---|---|---|\n"
    shown_first = model.settings() if issubclass(model, Resource) else list(model.model_fields)
    for name in shown_first:
        field = model.model_fields[name]
        default = field.get_default(call_default_factory=True, validated_data={})
        shown = "" if default in (PydanticUndefined, None, "", [], {}) else f"`{default}`"
        yield f"| `{name}` | {shown} | {field.description or field.title or ''} |\n"


def _resources() -> Iterator[str]:
    yield f"{_NOTE}# Resources\n\nWhat `chiminey resource add KIND NAME [key=value]...` takes, and the Prefect UI's forms show.\n"
    for kind, block in resources.kinds().items():
        yield f"\n## {kind}\n\n{_text(block)}"
        yield from _fields(block)


if __name__ == "__main__":
    for name, text in pages().items():
        (ROOT / "docs" / name).write_text(text, encoding="utf-8")
    sys.stdout.write("docs/ is as the code is.\n")
