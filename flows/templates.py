"""Input templates: files named ``*_template``, rendered with Jinja2, sandboxed and strict.

An undefined name is an error before anything is sent. Values are not escaped: input files are not HTML.
"""

from __future__ import annotations

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
            TemplateProblem: a name that no value has.
        """
        files: dict[str, bytes] = {}
        for name, template in self._compiled.items():
            try:
                files[rendered_name(name)] = template.render(values).encode("utf-8", "surrogateescape")
            except UndefinedError as error:
                known = ", ".join(sorted(values))
                raise TemplateProblem(f"{self._place}/{name}: {error.message}; the values are: {known}") from error
            except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
                raise TemplateProblem(f"{self._place}/{name} can't be rendered: {error}") from error
        return files

    def _compile(self, name: str, source: bytes) -> Any:
        try:
            return _ENVIRONMENT.from_string(source.decode("utf-8", "surrogateescape"))
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            raise TemplateProblem(f"{self._place}/{name}{f', line {line}' if line else ''}: {error}") from error
