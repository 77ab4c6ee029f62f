"""How a batch becomes arrays: every task has one place, and no array is larger than the cluster takes."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from blocks.scheduler.array import Layout, smaller, tasks_per_element

layouts = st.builds(Layout, st.integers(1, 500), st.integers(1, 40), st.integers(1, 60))


@given(layouts)
def test_every_task_is_in_exactly_one_element(layout: Layout) -> None:
    positions = [position for element in range(1, layout.elements + 1) for position in layout.positions(element)]
    assert positions == list(range(layout.tasks))


@given(layouts)
def test_no_element_is_empty_or_has_more_tasks_than_it_should(layout: Layout) -> None:
    assert all(1 <= len(layout.positions(element)) <= layout.per_element for element in range(1, layout.elements + 1))


@given(layouts)
def test_arrays_never_exceed_the_limit_and_hold_every_element_once(layout: Layout) -> None:
    arrays = list(layout.arrays())
    assert all(1 <= array.size <= layout.largest for array in arrays)
    assert [array.number for array in arrays] == list(range(1, len(arrays) + 1))
    elements = [array.offset + index for array in arrays for index in range(1, array.size + 1)]
    assert elements == list(range(1, layout.elements + 1))


@given(layouts)
def test_an_element_is_found_by_its_array_and_its_index_there(layout: Layout) -> None:
    for array in layout.arrays():
        for index in range(1, array.size + 1):
            assert layout.element(array.number, index) == array.offset + index


def test_what_was_asked_for_wins_over_what_is_reckoned() -> None:
    assert tasks_per_element(5, 600, 1, 1) == 5


def test_a_job_gets_as_many_tasks_as_fill_its_length() -> None:
    assert tasks_per_element(0, 600, 60, 1) == 10
    assert tasks_per_element(0, 600, 60, 4) == 40


def test_a_job_gets_one_task_for_each_that_runs_at_once_when_nothing_is_known() -> None:
    assert tasks_per_element(0, 0, 0, 1) == 1
    assert tasks_per_element(0, 600, 0, 4) == 4


@given(st.floats(0.01, 1e5), st.floats(0.01, 1e5), st.integers(1, 64))
def test_a_task_that_is_longer_than_a_job_should_be_has_one_to_itself(length: float, expected: float, at_once: int) -> None:
    per = tasks_per_element(0, length, expected, at_once)
    assert per >= at_once
    assert per == at_once or per / at_once * expected <= length * (1 + 1e-9)


@given(st.integers(1, 100_000))
def test_what_a_full_queue_refuses_is_tried_smaller_and_whole_again_until_it_fits(size: int) -> None:
    tried = list(islice(smaller(size), 100))
    assert max(tried) == size
    assert min(tried) == 1
    assert min(tried[:4]) >= size // 16 or size < 16, "a moment's lack of room must not make hundreds of arrays"
