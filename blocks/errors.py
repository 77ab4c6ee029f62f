"""The exception tree: what went wrong, by whose hand, and whether trying again may help.

Every message is one sentence for the person at the keyboard that says what happened and what to do. A class decides two
things and no more: the exit code of the command line, and whether a stage may be repeated (``transient``), which is denied for
one that was waited out already. One that is made of parts keeps them beside its sentence: ``problems``, ``line``.
:class:`AllAtOnce` makes one error of several.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, ParamSpec, TypeVar

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


class ChimineyError(Exception):
    """Anything that the project raises on purpose; ``str()`` is the sentence to show."""

    exit_code: ClassVar[int] = 1
    transient: bool = False


class InvalidRequest(ChimineyError):
    """The user asked for something that can't be done; ``problems`` holds every reason, each a sentence."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class AllAtOnce:
    """Tries several things, and at the end raises all that is wrong with any of them together.

    Example:
        ::

            with AllAtOnce() as attempt:
                first = attempt(parse, text)  # None, if it can't be
                second = attempt(parse, other)
    """

    def __init__(self) -> None:
        self._problems: list[str] = []

    def __enter__(self) -> AllAtOnce:
        return self

    def __call__(self, act: Callable[Asked, Answer], *given: Asked.args, **named: Asked.kwargs) -> Answer | None:
        try:
            return act(*given, **named)
        except InvalidRequest as error:
            self._problems += error.problems
            return None

    def __exit__(self, kind: type[BaseException] | None, *_raised: object) -> None:
        if kind is None and self._problems:
            raise InvalidRequest(*dict.fromkeys(self._problems))


class ResourceError(ChimineyError):
    """A compute or storage resource did not do what it was asked."""

    exit_code = 4


class Unreachable(ResourceError):
    """A host does not answer, or the connection broke: the same call may work in a moment."""

    transient = True


class ChannelRefused(Unreachable):
    """The host's SSH server allows no further session on the connection (its ``MaxSessions``)."""


class AuthenticationRefused(ResourceError):
    """The host answered and refused the user, key or password."""


class HostKeyRefused(ResourceError):
    """The host's key is unknown, or not the one that was expected."""


class HostKeyUnknown(HostKeyRefused):
    """The host is met for the first time; ``line`` is what known_hosts, or the resource's host keys, would have to say."""

    def __init__(self, message: str, line: str) -> None:
        self.line = line
        super().__init__(message)


class CommandFailed(ResourceError):
    """A command on a host ended with an error: no space left, permission denied, no such folder."""

    exit_code = 1


class Refused(CommandFailed):
    """A scheduler does not take a job, in its own words; it will not take the same one later either."""


class QueueFull(CommandFailed):
    """A scheduler takes no more jobs for the time being."""


class Unstorable(CommandFailed):
    """A storage can't hold a file under the name that it has, however often it is asked; of others it may still take all."""


class NotFound(ResourceError):
    """A file or folder is not there."""

    exit_code = 2


class OutputsWait(ResourceError):
    """The output storage takes no outputs; what was computed stays on its hosts until the run is resumed."""


class Unverified(ResourceError):
    """A repository has not looked at what it was sent for as long as anybody waits; that is asked again later."""


class RunFailed(ChimineyError):
    """The run ended without a usable result."""


class RunCancelled(ChimineyError):
    """Somebody asked for the run to stop."""

    exit_code = 130


class LeaseLost(ChimineyError):
    """Another controller has taken the run over; this one must stop without touching it."""


def unexpected(error: Exception) -> str:
    """The sentence about an error that nobody foresaw."""
    return f"something unexpected went wrong: {type(error).__name__}: {error}"
