"""A connector called from Python: in a script, in flows of either kind, in threads, and where an event loop runs already."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prefect import flow

from blocks.errors import InvalidRequest
from connectors.randnum import randnum
from flows import JobRequest, RunResult, flow_call

pytestmark = pytest.mark.prefect


@pytest.fixture(autouse=True)
def here(embedded_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_call_gives_the_result(here: Path) -> None:
    result = randnum(sweep={"n": [1, 2]})
    assert isinstance(result, RunResult)
    assert (result.state, result.tasks.completed) == ("completed", 2)
    assert len(list(Path(result.output, "output").iterdir())) == 2
    assert Path(result.output).parent == here / "chiminey-output"


def test_it_is_a_step_of_a_flow() -> None:
    @flow
    def chain() -> list[str]:
        return [randnum().state, randnum().state]

    assert chain() == ["completed", "completed"]


def test_it_is_awaited_in_an_async_flow() -> None:
    @flow
    async def chain() -> str:
        return (await randnum.flow()).state

    assert asyncio.run(chain()) == "completed"


def test_it_is_called_where_an_event_loop_runs_as_in_a_notebook() -> None:
    async def cell() -> str:
        return randnum().state

    assert asyncio.run(cell()) == "completed"


def test_it_is_called_in_an_async_flow_too() -> None:
    @flow
    async def chain() -> str:
        return randnum().state

    assert asyncio.run(chain()) == "completed"


def test_two_threads_call_it_at_once() -> None:
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: randnum(), range(2)))
    assert len({result.run_id for result in results}) == 2
    assert [result.state for result in results] == ["completed", "completed"]


@pytest.mark.parametrize("presses", [1, 2])
def test_a_ctrl_c_comes_too_late_when_only_prefect_is_still_to_be_told(monkeypatch: pytest.MonkeyPatch, presses: int) -> None:
    ended = list[RunResult]()

    def pressed_behind(act: Callable[[], RunResult]) -> RunResult:
        ended.append(flow_call.body(act))
        for _ in range(presses):
            signal.raise_signal(signal.SIGINT)
        return ended[0]

    monkeypatch.setattr("flows.flow.body", pressed_behind)
    if presses == 1:
        assert randnum() == ended[0]
    else:
        with pytest.raises(KeyboardInterrupt):
            randnum()
    assert ended[0].state == "completed"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_can_not_be_is_told_in_a_sentence() -> None:
    with pytest.raises(InvalidRequest, match="no input 'colour'"):
        randnum(colour="red")
    with pytest.raises(InvalidRequest, match="n"):
        randnum(sweep={"n": 3})  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidRequest, match="no job setting 'memroy'; did you mean 'memory'"):
        randnum(job={"memroy": "2G"})
    with pytest.raises(InvalidRequest, match="a local resource has no scheduler that could be asked for memory"):
        randnum.sweep_over({"n": [1, 2]}, job=JobRequest(memory="2G"))
