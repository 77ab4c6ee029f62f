"""One connector folder: ``connector.py`` or ``connector.toml``, with its payload beside it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
import traceback
from functools import cache
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from blocks.job import JobRequest
from connectors import declaration
from flows import SmartConnector, connector_files

PYTHON = connector_files.PYTHON


class Unloadable(Exception):
    """A connector that can't be loaded: the file to look into, and why, as one sentence."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


def is_connector(folder: Path) -> bool:
    """Whether a folder declares a connector. One that may not be looked into is none: folders stand beside connectors, too."""
    try:
        return (folder / PYTHON).is_file() or (folder / declaration.FILE).is_file()
    except PermissionError:
        return False


def declaring_file(folder: Path) -> Path:
    """The file that declares a folder's connector."""
    return folder / (PYTHON if (folder / PYTHON).is_file() else declaration.FILE)


def read(folder: Path, module: str | None = None) -> SmartConnector:
    """The connector of a folder; ``module`` is the name under which Python can import its ``connector.py``, if it has one.

    Raises:
        Unloadable: it can't be read.
    """
    path = declaring_file(folder)
    if path.name == PYTHON:
        if (folder / declaration.FILE).is_file():
            raise Unloadable(str(path), f"the folder has both {PYTHON} and {declaration.FILE}; keep one of them")
        return declared_by(_module(path, module), path)
    try:
        return declaration.read(folder)
    except (declaration.DeclarationProblem, OSError) as error:
        raise Unloadable(str(path), str(error)) from error


def declared_by(module: ModuleType, path: Path) -> SmartConnector:
    """The one connector that a module declares, as an instance or as a class.

    Raises:
        Unloadable: it declares none, or several.
    """
    own = [value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__]
    instances = {id(value): value for value in own if isinstance(value, SmartConnector)}
    if len(instances) == 1:
        return next(iter(instances.values()))
    classes = {value for value in own if isinstance(value, type) and issubclass(value, SmartConnector)}
    leaves = [each for each in classes if not any(other is not each and issubclass(other, each) for other in classes)]
    if instances or len(leaves) > 1:
        names = ", ".join(sorted(each.__name__ for each in leaves))
        raise Unloadable(str(path), f"it declares more than one connector ({names}); give each a folder of its own")
    if not leaves:
        raise Unloadable(str(path), "it declares no connector; write a subclass of SmartConnector")
    return instance(leaves[0])


@cache
def instance(connector: type[SmartConnector]) -> SmartConnector:
    """The one instance of a connector that is declared as a class, so that its flow is built once."""
    return connector()


def told(error: BaseException, path: Path | None) -> Unloadable:
    """Whatever a connector's own code raised, with its line."""
    if isinstance(error, SyntaxError):
        return Unloadable(error.filename or str(path), f"line {error.lineno}: {error.msg}")
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, ValidationError) and error.title == JobRequest.__name__:
        reason = "; ".join(JobRequest.mistakes(error))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if path is None or Path(frame.filename).is_relative_to(path.parent):
            return Unloadable(frame.filename, f"line {frame.lineno}: {reason}")
    return Unloadable(str(path), reason)


def _module(path: Path, name: str | None) -> ModuleType:
    try:
        return importlib.import_module(name) if name is not None else _by_file(path)
    except (Exception, SystemExit) as error:  # a connector is foreign code
        raise told(error, path) from error


def _by_file(path: Path) -> ModuleType:
    """The module of a file outside every package; its folder is its package, so ``from .sibling import x`` works."""
    place = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    readable = re.sub(r"\W", "_", path.parent.name)
    name = f"chiminey_connector_{readable}_{place}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[str(path.parent)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
