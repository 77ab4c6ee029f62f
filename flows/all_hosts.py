"""The same on all hosts at once, and what becomes of those that could not do it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from blocks.countdown import Countdown
from blocks.errors import ChimineyError
from blocks.host import Host
from flows.ledger.records import HostStatus
from flows.run import Run

Answer = TypeVar("Answer")


def on_all_hosts(
    hosts: Iterable[Host], act: Callable[[Host], Answer], check: Callable[[], None], seconds: float = float("inf")
) -> dict[Host, Answer | ChimineyError]:
    """Do the same on all hosts at once, and give each one's answer or error.

    The threads are left behind, not joined, when ``check`` raises or the seconds are over (a cancel must not wait for a host that
    hangs): a host that did not answer in time has no entry.
    """
    answers: dict[Host, Answer | ChimineyError] = {}
    failures: list[BaseException] = []

    def answer(host: Host) -> None:
        try:
            answers[host] = act(host)
        except ChimineyError as error:
            answers[host] = error
        except BaseException as error:  # noqa: BLE001 -- our own mistake: it must end the stage, not only this thread
            failures.append(error)

    threads = [threading.Thread(target=answer, args=(host,), name=f"host {host.id}", daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    countdown = Countdown(seconds)
    for thread in threads:
        while thread.is_alive() and (left := countdown.left):
            check()
            thread.join(min(0.2, left))
    if failures:
        raise failures[0]
    return dict(answers)


def leave_out_failed(run: Run, answers: Mapping[Host, object], status: HostStatus) -> None:
    """Go on without the hosts that answered with an error; what they are from now on is ``status``.

    Raises:
        ChimineyError: no other host is left; it is the first one's.
    """
    failed = {host: answer for host, answer in answers.items() if isinstance(answer, ChimineyError)}
    if failed and len(failed) == len(answers):
        raise next(iter(failed.values()))
    for host, error in failed.items():
        run.lease.host(host, status, str(error))
        run.say("warning", f"host {host.address} is left out: {error}")
