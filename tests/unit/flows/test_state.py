"""Which stage triggers, from the state alone."""

from flows.stages import STAGES
from flows.state import RunState

ORDER = ["configure", "create", "bootstrap", "schedule", "execute", "wait", "transform", "converge"]


def triggered(state: RunState) -> list[str]:
    return [kind.name for kind in STAGES if kind().is_triggered(state)]


def test_exactly_one_stage_triggers_and_they_follow_each_other_to_the_end() -> None:
    state, seen = RunState(), list[str]()
    while stages := triggered(state):
        (name,) = stages
        seen.append(name)
        state = next(kind for kind in STAGES if kind.name == name)().output(state)

    assert seen == [*ORDER, "destroy"]


def test_a_next_iteration_begins_with_schedule_on_the_same_hosts() -> None:
    done = RunState(
        **dict.fromkeys(("configured", "created", "bootstrapped", "scheduled", "executed", "waited", "transformed"), True)
    )

    assert triggered(done.next_iteration()) == ["schedule"]
    assert done.next_iteration().iteration == 1


def test_a_run_that_is_to_end_has_only_destroy_left_whatever_was_done() -> None:
    assert triggered(RunState(configured=True, created=True, ending="failed")) == ["destroy"]


def test_a_reopened_run_keeps_its_connector_and_makes_its_hosts_again_and_keeps_its_tasks() -> None:
    ended = RunState(
        configured=True, created=True, bootstrapped=True, scheduled=True, executed=True, ending="failed", destroyed=True
    )

    reopened = ended.reopened(work_left=True)
    assert triggered(reopened) == ["configure"]
    assert triggered(reopened.model_copy(update={"configured": True})) == ["create"]
    assert reopened.scheduled


def test_a_run_that_was_interrupted_while_it_tidied_up_makes_no_hosts_again_unless_tasks_are_left() -> None:
    interrupted = RunState(configured=True, created=True, ending="completed")

    assert triggered(interrupted.reopened(work_left=False)) == ["destroy"]
    assert triggered(interrupted.reopened(work_left=True)) == ["configure"]


def test_a_run_whose_outputs_wait_goes_on_with_its_hosts() -> None:
    done = dict.fromkeys(("configured", "created", "bootstrapped", "scheduled", "executed"), True)
    waiting = RunState(**done, ending="failed", destroyed=True, outputs_wait=True)

    assert triggered(waiting.reopened(work_left=False)) == ["wait"]
    assert not waiting.reopened(work_left=False).outputs_wait
