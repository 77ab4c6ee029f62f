"""Mistakes in a connector's hooks: the hook, the file and the line are in what its author is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from blocks.compute import LocalCompute
from blocks.errors import ChimineyError, InvalidRequest, RunCancelled, RunFailed
from flows import Convergence
from tests.engine import Lab
from tests.meanwhile import when
from tests.payloads import connector


def divides(*_given: object) -> Any:
    return 1 / 0


def gives(answer: object) -> Callable[..., Any]:
    def hook(*_given: object) -> Any:
        return answer

    return hook


HOOKS = ["results", "summary", "transform", "converged"]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_raises_is_named_with_its_line(hook: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    mistaken = connector(tmp_path / "mistaken", "true", **{hook: divides})

    with pytest.raises(RunFailed) as raised:
        lab.go(mistaken, LocalCompute(slots=2))

    line = divides.__code__.co_firstlineno + 1
    assert str(raised.value) == f"the hook {hook} of sample failed: {__file__}, line {line}: ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("hook", "answer", "told"),
    [
        ("converged", True, "it must return a Convergence, and it returned True"),
        ("results", [1], "it must return a Mapping, and it returned [1]"),
        ("summary", None, "it must return a Mapping, and it returned None"),
    ],
)
def test_a_hook_that_returns_something_else_is_told_what_it_must_return(
    hook: str, answer: object, told: str, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    given = gives(answer)

    with pytest.raises(RunFailed) as raised:
        lab.go(connector(tmp_path / "mistaken", "true", **{hook: given}), LocalCompute(slots=2))

    assert str(raised.value) == f"the hook {hook} of sample ({__file__}, line {given.__code__.co_firstlineno}): {told}"


def test_a_program_that_is_no_text_is_found_before_anything_begins(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    mistaken = connector(tmp_path / "mistaken", "true", payload=None, run_task=gives(None))

    with pytest.raises(InvalidRequest, match=r"the hook run_task of sample .*: it must return a str, and it returned None"):
        lab.go(mistaken, LocalCompute(slots=2))


def test_a_sweep_that_is_no_map_is_found_before_anything_begins(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    mistaken = connector(tmp_path / "mistaken", "true", internal_sweep=gives(None))

    with pytest.raises(ChimineyError, match=r"the hook internal_sweep of sample .*: it must return a Mapping"):
        lab.go(mistaken, LocalCompute(slots=2))


def test_what_a_hook_says_on_purpose_is_said_as_it_is(tmp_path: Path) -> None:
    def refuse(*_given: object) -> Any:
        raise RunFailed("the energies are odd")

    lab = Lab(tmp_path)
    with pytest.raises(RunFailed, match=r"^the energies are odd$"):
        lab.go(connector(tmp_path / "picky", "true", converged=refuse), LocalCompute(slots=2))


@pytest.mark.parametrize("hook", ["internal_sweep", "summary", "transform", "converged"])
def test_a_hook_that_does_not_come_to_an_end_is_left_when_the_run_is_cancelled(hook: str, tmp_path: Path) -> None:
    lab, begun, over, returned = Lab(tmp_path), threading.Event(), threading.Event(), threading.Event()

    def waits(_self: object, *given: Any) -> Any:
        if given[-1] != 0:  # the sweep of the first iteration
            begun.set()
            over.wait(120)
            returned.set()
        return {}

    hooks: dict[str, Any] = {hook: waits}
    if hook == "internal_sweep":
        hooks["converged"] = gives(Convergence(done=False))
    endless = connector(tmp_path / "endless", "true", max_iterations=2, **hooks)
    proposal = lab.request(endless, LocalCompute(slots=2))
    record = lab.add(proposal)
    when(begun.is_set, lambda: lab.ledger.request_cancel(record.id))

    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)

    assert not returned.is_set()
    over.set()
    assert returned.wait(60), "it is left to itself, not killed"
    told = json.loads((lab.results / record.name / "tasks.json").read_text())
    assert [task["status"] for task in told] == ["completed"]


def test_a_hook_finds_the_context_of_the_run_and_may_end_it_as_ever(tmp_path: Path) -> None:
    who = ContextVar("who", default="nobody")
    seen: list[str] = []

    def leaves(*_given: object) -> Any:
        seen.append(who.get())
        raise SystemExit(3)

    who.set("somebody")
    with pytest.raises(SystemExit):
        Lab(tmp_path).go(connector(tmp_path / "leaving", "true", transform=leaves), LocalCompute(slots=2))

    assert seen == ["somebody"]
