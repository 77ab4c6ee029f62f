"""What a server asks of somebody who logs in (keyboard-interactive): the password is the one question that is answered."""

from __future__ import annotations

import re
import threading

import paramiko
from paramiko.auth_handler import AuthHandler

from blocks.errors import AuthenticationRefused
from blocks.transport.ssh_config import Hop

CONFIRMATION = 60.0  # seconds: the server may wait for somebody's telephone
_PASSWORD = re.compile("password", re.IGNORECASE)
_ENGLISH = r"code|token|otp|one.?time|verif|factor|duo|oath|challenge|response|authenticator|yubi|touch|securid|option|retype"
_SHORT = r"\b(pin|new|again|press|push|sms|phone|select)\b"
_OTHER_LANGUAGES = r"einmal|unique|c[oó]digo|codice|jednoraz|одноразов|код|一次性|动态|验证|確認|認証|ワンタイム|인증"
_OTHER = re.compile(f"{_ENGLISH}|{_SHORT}|{_OTHER_LANGUAGES}", re.IGNORECASE)  # what is no question for the password


class Unanswered(AuthenticationRefused):
    """The server asked for something else than the password; ``prompt`` is its question."""

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        super().__init__(f"{prompt!r} can't be answered here.")


def answer_questions(transport: paramiko.Transport, hop: Hop, password: str | None) -> list[str]:
    """Log in by answering the question for the password, once. Gives what the server still asks for besides.

    Raises:
        Unanswered: it asked for something else. Nothing was said to that, and another method may be tried.
        AuthenticationRefused: it asked for the password and there is none, or it did not decide in time.
        paramiko.SSHException: it refused, or the connection broke.
    """
    handler, answered = _Handler(transport), threading.Event()
    transport.auth_handler = handler
    patience, transport.auth_timeout = transport.auth_timeout, CONFIRMATION
    try:
        handler.auth_interactive(hop.username, _Answers(hop, password), answered)
        return handler.wait_for_response(answered)
    except paramiko.AuthenticationException as error:
        if transport.is_active() and "timeout" in str(error):
            raise AuthenticationRefused(
                f"{hop} has waited for something, such as a confirmation by telephone, for more than {CONFIRMATION:g} seconds."
            ) from error
        raise
    finally:
        transport.auth_timeout = patience


class _Answers:
    """The answers to one question after the other, as paramiko asks for them."""

    def __init__(self, hop: Hop, password: str | None) -> None:
        self._hop = hop
        self._password = password
        self._asked = False

    def __call__(self, title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        if not prompts:
            return []  # no question, but something to know
        for prompt, echo in prompts:
            if not _means_password(prompt, instructions, alone=len(prompts) == 1 and not echo):
                raise Unanswered(prompt.strip() or instructions.strip() or title)
        if self._password is None or self._asked or len(prompts) > 1:
            raise AuthenticationRefused(f"{self._hop} asks for {'another' if self._asked else 'the'} password.")
        self._asked = True
        return [self._password]


def _means_password(prompt: str, instructions: str, *, alone: bool) -> bool:
    """Whether a question is that for the password, which may be in any language: then it is the only one, and typed unseen."""
    if _OTHER.search(prompt):
        return False
    return _PASSWORD.search(prompt) is not None or (alone and not _OTHER.search(instructions))


class _Handler(AuthHandler):
    """Leaves a question open when there is no answer. Paramiko's own would give up the whole connection."""

    def _parse_userauth_info_request(self, m: paramiko.Message) -> None:
        try:
            super()._parse_userauth_info_request(m)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] -- not in the stubs
        except AuthenticationRefused as error:
            self.transport.saved_exception = error
            if self.auth_event is not None:
                self.auth_event.set()
