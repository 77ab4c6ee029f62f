"""How many machines a run may be given."""

from __future__ import annotations

from flows.allowance import Allowance


def begun(asked: int, ready: int, tasks: int = 100) -> Allowance:
    allowance = Allowance()
    allowance.begin(tasks, asked, ready)
    return allowance


def test_a_lost_machine_is_replaced() -> None:
    assert begun(3, 3).grant(tasks=50, wanted=3, present=2, maximum_retry=2) == 1


def test_none_is_made_that_the_rest_of_the_tasks_does_not_take() -> None:
    assert begun(3, 3).grant(tasks=2, wanted=2, present=2, maximum_retry=2) == 0


def test_replacements_run_out_at_as_many_for_each_first_machine_as_a_task_has_retries() -> None:
    allowance = begun(2, 2)

    granted = [allowance.grant(tasks=50, wanted=2, present=1, maximum_retry=2) for _ in range(6)]

    assert granted == [1, 1, 1, 1, 0, 0]


def test_without_retries_nothing_is_replaced() -> None:
    assert begun(2, 2).grant(tasks=50, wanted=2, present=0, maximum_retry=0) == 0


def test_more_tasks_get_more_machines_which_are_no_replacements() -> None:
    allowance = begun(1, 1, tasks=1)

    assert allowance.grant(tasks=50, wanted=4, present=1, maximum_retry=0) == 3
    assert allowance.replaced == 0


def test_of_what_is_missing_for_more_tasks_and_for_losses_only_the_losses_are_limited() -> None:
    allowance = begun(2, 2, tasks=2)

    assert allowance.grant(tasks=50, wanted=5, present=0, maximum_retry=0) == 3
    assert allowance.most == 5


def test_machines_that_left_for_want_of_work_come_back_once_beside_the_replacements() -> None:
    allowance = begun(3, 3)
    allowance.left += 1

    assert allowance.grant(tasks=50, wanted=3, present=1, maximum_retry=0) == 1
    assert allowance.grant(tasks=50, wanted=3, present=1, maximum_retry=0) == 0


def test_a_controller_that_resumes_counts_from_what_it_finds() -> None:
    allowance = Allowance()

    assert allowance.grant(tasks=50, wanted=3, present=2, maximum_retry=1) == 1
    assert [allowance.grant(tasks=50, wanted=3, present=2, maximum_retry=1) for _ in range(4)] == [1, 1, 1, 0]
