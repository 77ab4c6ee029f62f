"""A call of one of our flows in this process: what came of it is known here, also when Prefect's server is away.

Prefect tells its server of a flow's end before it tells the caller, and raises what went wrong with that in place of the result.
So the flow's body leaves what it came to with the caller too.
"""

from __future__ import annotations

import asyncio
import random
import signal
import threading
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import httpx
from prefect import Flow, State
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled, Completed

from blocks.errors import RunCancelled
from flows.interrupt import too_late_when
from flows.result import RunResult
from flows.view import View

TELL_AGAIN = 1  # how often a person waits for a server that does not answer; a worker has Prefect's own patience
BUSY = (429, 502, 503, 504)  # what a server answers that could not get at its database in time
BUSY_PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)  # seconds

Answer = TypeVar("Answer")
Result = TypeVar("Result", bound=RunResult)


@dataclass(frozen=True, slots=True)
class CalledRun:
    """The run that a flow is called as.

    Attributes:
        ended: when it had ended when it was called; None: it had not.
        was_in_hand: whether a controller was at work on it then, which a cancel that is seen later may have been meant for.
    """

    id: str
    ended: float | None = None
    was_in_hand: bool = False


given_views: ContextVar[Sequence[View]] = ContextVar("views", default=())
given_run: ContextVar[CalledRun | None] = ContextVar("given_run", default=None)
_ended: ContextVar[list[RunResult | BaseException] | None] = ContextVar("ended", default=None)  # where the caller finds it


async def carried_out(flow: Flow[..., Result], chosen: dict[str, Any], called: CalledRun, views: Sequence[View]) -> Result:
    """Call a flow as this run, which the views are told of too; what its body came to is the answer, or raised."""
    ended: list[RunResult | BaseException] = []
    impatient = temporary_settings({PREFECT_CLIENT_MAX_RETRIES: TELL_AGAIN})
    to_be_told_only = too_late_when(lambda: bool(ended))  # Prefect's server
    with given(given_views, tuple(views)), given(given_run, called), given(_ended, ended), impatient, to_be_told_only:
        state: State[Result] = await _called(flow, chosen, ended)
    if not ended:
        return await cast(Coroutine[Any, Any, Result], state.result())
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return cast(Result, ended[0])


async def _called(
    flow: Flow[..., Result], chosen: dict[str, Any], ended: Sequence[object], pauses: Sequence[float] = BUSY_PAUSES
) -> State[Result]:
    """Call a flow; a server that is too busy to hear of it is told again."""
    try:
        return await cast(Any, flow)(**chosen, return_state=True)
    except Exception as error:
        if ended:
            return Completed()  # the server could not be told; what happened is known all the same
        if not pauses or not _is_busy(error):
            raise
    await asyncio.sleep(pauses[0] * random.uniform(0.7, 1.3))
    return await _called(flow, chosen, ended, pauses[1:])


def _is_busy(error: Exception) -> bool:
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code in BUSY


def body(act: Callable[[], Result]) -> Result:
    """Do what a flow is to do, leave what came of it with the caller, and give Prefect what it is to show."""
    ended = _ended.get()
    try:
        result = act()
    except (RunCancelled, KeyboardInterrupt) as error:
        cancelled = RunCancelled(str(error) or "it was interrupted")
        if ended is not None:
            ended.append(cancelled)
        return cast(Result, Cancelled(message=str(cancelled)))
    except BaseException as error:
        if ended is not None:
            ended.append(error)
        raise
    if ended is not None:
        ended.append(result)
    if result.state != "completed-with-failures":
        return result
    return cast(Result, Completed(name="CompletedWithFailures", message=f"{result.parts}: {result.messages[0]}", data=result))


def run_here(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """Run to the end; Ctrl-C interrupts at once, where asyncio's own handler would wait for the next await.

    Where an event loop runs already, as in a notebook, it is another thread that runs it, and an interrupt leaves it running:
    ``chiminey cancel`` stops it.
    """

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if _a_loop_runs():
        beside = ThreadPoolExecutor(1, "run")
        try:
            return beside.submit(copy_context().run, asyncio.run, coroutine).result()
        finally:
            beside.shutdown(wait=False)
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        return asyncio.run(coroutine)
    former = signal.signal(signal.SIGINT, interrupt)
    try:
        return asyncio.run(coroutine)
    finally:
        signal.signal(signal.SIGINT, former)


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def given(variable: ContextVar[Any], value: object) -> Generator[None]:
    """Give the flow that is called inside something beside its parameters."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
