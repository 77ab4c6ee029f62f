"""Logging in: one method after the other is tried on a server, and what is said when none is taken."""

from __future__ import annotations

import paramiko

from blocks.errors import AuthenticationRefused, Unreachable
from blocks.transport.login_methods import PASSWORD, Method, Methods
from blocks.transport.questions import Unanswered
from blocks.transport.ssh_access import SSHAccess
from blocks.transport.ssh_config import Hop


def authenticate(transport: paramiko.Transport, hop: Hop, access: SSHAccess, *, last: bool) -> None:
    """Log in, with one method or with as many in turn as the server asks for.

    Raises:
        AuthenticationRefused: the server took none, or a key can't be used.
        Unreachable: the connection broke meanwhile.
    """
    methods = Methods(transport, hop, access)
    waiting, passed_over = list(methods.of_host() if last else methods.of_gateway()), list[Method]()
    taken, refused, allowed, unusable = list[str](), list[str](), list[str](), list[str]()
    question = ""
    while waiting:
        method = waiting.pop(0)
        if not _is_due(method, allowed, taken, refused):
            passed_over.append(method)
            continue
        try:
            allowed = method.attempt()
            if transport.is_authenticated():
                return
            taken.append(method.label)
            waiting, passed_over = [*passed_over, *waiting], []
        except Unanswered as error:
            question = error.prompt
            refused.append(method.label)
        except AuthenticationRefused as error:
            unusable.append(str(error))
        except (paramiko.SSHException, EOFError, OSError) as error:
            refused.append(method.label)
            if isinstance(error, paramiko.BadAuthenticationType):
                allowed = error.allowed_types
            elif question and not transport.is_active():
                break  # it takes nothing else while its question is open
            else:
                _check_connection(transport, hop, refused, error)
    if question:
        raise AuthenticationRefused(" ".join([*unusable, _second_factor(hop, taken, question)]))
    allowed = allowed or _allowed(transport, hop)
    raise AuthenticationRefused(" ".join([*unusable, _explanation(hop, taken, refused, allowed)]))


def _is_due(method: Method, allowed: list[str], taken: list[str], refused: list[str]) -> bool:
    if method.besides and (not taken or PASSWORD in refused):
        return False
    return not allowed or not method.kinds.isdisjoint(allowed)


def _check_connection(transport: paramiko.Transport, hop: Hop, tried: list[str], error: Exception) -> None:
    late = "timeout" in str(error).lower()
    unsent = isinstance(error, (EOFError, OSError))  # a broken connection, which whoever reads from it has yet to notice
    if transport.is_active() and not late and not unsent:
        return
    if len(tried) > 1 and not late:
        raise AuthenticationRefused(
            f"{hop} hung up after it had refused {', '.join(tried)} for the user {hop.username}; "
            "please give the one key to use, and switch the agent off."
        ) from error
    did = "stopped answering" if late else "hung up"
    raise Unreachable(f"{hop} {did} while {hop.username} was logging in; please try again.") from error


def _allowed(transport: paramiko.Transport, hop: Hop) -> list[str]:
    """What the server allows, which it tells only to those it refuses."""
    try:
        transport.auth_none(hop.username)
    except paramiko.BadAuthenticationType as error:
        return error.allowed_types
    except (paramiko.SSHException, EOFError, OSError):
        return []
    return []


def _second_factor(hop: Hop, taken: list[str], question: str) -> str:
    after = f", after it took {' and '.join(taken)}" if taken else ""
    return (
        f"{hop} asks {hop.username} for a second factor{after}: {question!r}. That can't be answered here; please ask its "
        "administrator for a key or certificate that is enough by itself, or for an exception for this machine's address."
    )


def _explanation(hop: Hop, taken: list[str], refused: list[str], allowed: list[str]) -> str:
    took = f"it took {' and '.join(taken)}, and wants more" if taken else ""
    attempts = f"it did not take {', nor '.join(refused)}" if refused else "there was no other key, agent or password to try"
    allows = f" It allows {', '.join(allowed)}." if allowed else ""
    if allowed and "publickey" not in allowed:
        advice = "please check the user name, and give the password"
    else:
        advice = "please check the user name, and put the public key into ~/.ssh/authorized_keys there (ssh-copy-id does it)"
    return f"{hop} refused the user {hop.username}: {'; '.join(filter(None, [took, attempts]))}.{allows} To log in, {advice}."
