"""Input templates: files named ``*_template``, rendered with Jinja2, sandboxed and strict.

An undefined name is an error before anything is sent. Values are not escaped: input files are not HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, UndefinedError
from jinja2.sandbox import SandboxedEnvironment

SUFFIX = "_template"

_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)


class TemplateProblem(ValueError):
    """A template that can't be rendered; the message is a sentence that names the file."""


def rendered_name(name: str) -> str:
    """The name under which a rendered template is delivered."""
    return name.removesuffix(SUFFIX)


class Templates:
    """The templates of one start point, compiled once and rendered for each task."""

    def __init__(self, sources: Mapping[str, bytes], place: str) -> None:
        self._place = place
        self._compiled = {name: self._compile(name, source) for name, source in sources.items()}

    def render(self, values: Mapping[str, Any]) -> dict[str, bytes]:
        """The rendered files, by the name they are delivered under.

        Raises:
            TemplateProblem: a name that no value has, or whatever else goes wrong in a template.
        """
        files: dict[str, bytes] = {}
        for name, template in self._compiled.items():
            try:
                files[rendered_name(name)] = template.render(values).encode("utf-8", "surrogateescape")
            except UndefinedError as error:
                known = ", ".join(sorted(values))
                raise TemplateProblem(f"{self._place}/{name}: {error.message}; the values are: {known}") from error
            except Exception as error:  # a template may do anything with its values, and its filters are not careful
                raise TemplateProblem(f"{self._place}/{name} can't be rendered: {str(error) or type(error).__name__}") from error
        return files

    def _compile(self, name: str, source: bytes) -> Any:
        try:
            text = source.decode("utf-8", "surrogateescape")
            return _ENVIRONMENT.overlay(newline_sequence=_line_end(text)).from_string(text)
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            raise TemplateProblem(f"{self._place}/{name}{f', line {line}' if line else ''}: {error}") from error


def _line_end(text: str) -> Any:
    """How the first line of a template ends: a program may mind it in its input."""
    found = re.search(r"\r\n|\r|\n", text)
    return found[0] if found else "\n"
