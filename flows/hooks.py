"""Calls of a connector's hooks: what is wrong with one is told with the hook, the file and the line, to whoever wrote it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar, cast

from blocks.errors import ChimineyError, RunFailed

if TYPE_CHECKING:
    from flows.connector import SmartConnector

Answer = TypeVar("Answer")

Member = TypeVar("Member")

MAPPING: type[Mapping[str, Any]] = Mapping

_STEP = 0.2  # seconds


class HookFailed(RunFailed):
    """A hook raised what it did not mean to, or gave something that is no answer."""


def ask_for_all(connector: SmartConnector, hook: str, wanted: type[Member], *given: object) -> tuple[Member, ...]:
    """All that a hook gives, be it with ``yield``, which raises only when the next is asked for.

    Raises:
        HookFailed: it raised something, or gives anything of which not each is of the type that is wanted.
    """
    call = partial(getattr(connector, hook), *given)
    answer = _asked(connector, hook, lambda: _all(call()))
    if not isinstance(answer, tuple):
        raise _no_answer(connector, hook, f"must return several {wanted.__name__}s, such as in a list", answer)
    members = cast(tuple[Any, ...], answer)
    for member in members:
        if not isinstance(member, wanted):
            raise _no_answer(connector, hook, f"must give a {wanted.__name__} each time", member)
    return members


def _all(given: object) -> object:
    return tuple(cast(Iterable[object], given)) if isinstance(given, Iterable) else given


def ask(
    connector: SmartConnector, hook: str, wanted: type[Answer], *given: object, check: Callable[[], None] | None = None
) -> Answer:
    """What a hook answers; what it raises of our own errors is raised as it is, and so is what ``check`` raises meanwhile.

    Raises:
        HookFailed: it raised anything else, or its answer is not of the type that is wanted.
    """
    call = partial(getattr(connector, hook), *given)
    answer = _asked(connector, hook, call if check is None else partial(_attended, call, check))
    if not isinstance(answer, wanted):
        raise _no_answer(connector, hook, f"must return a {wanted.__name__}", answer)
    return answer


def _asked(connector: SmartConnector, hook: str, call: Callable[[], object]) -> object:
    try:
        return call()
    except ChimineyError:
        raise
    except Exception as error:
        raise HookFailed(f"the hook {hook} of {connector.name} failed: {_told(error, connector.folder)}") from error


def _no_answer(connector: SmartConnector, hook: str, duty: str, answer: object) -> HookFailed:
    place = _place(getattr(type(connector), hook))
    return HookFailed(f"the hook {hook} of {connector.name}{place}: it {duty}, and it returned {answer!r:.100}")


def _attended(call: Callable[[], object], check: Callable[[], None]) -> object:
    """What a call gives. It has a thread of its own, which is left behind when ``check`` raises: it may never come to an end."""
    answers: list[object] = []
    failures: list[BaseException] = []

    def answer() -> None:
        try:
            answers.append(call())
        except BaseException as error:  # noqa: BLE001 -- it is raised where the hook was asked
            failures.append(error)

    thread = Thread(target=copy_context().run, args=(answer,), name="hook", daemon=True)
    thread.start()
    while thread.is_alive():
        check()
        thread.join(_STEP)
    if failures:
        raise failures[0]
    return answers[0]


def _told(error: Exception, folder: Path) -> str:
    """What was raised, with the connector's own line that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)] or frames
    return f"{own[-1].filename}, line {own[-1].lineno}: {type(error).__name__}: {error}"


def _place(hook: Any) -> str:
    code = getattr(hook, "__code__", None)
    return f" ({code.co_filename}, line {code.co_firstlineno})" if code is not None else ""
