"""Which of the waiting tasks a host is given next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows import attempts
from flows.chunks import next_chunk
from flows.ledger import PayloadTask

HOSTS = ("a", "b", "c")


def waiting(number: int) -> list[PayloadTask]:
    return [PayloadTask(id=id, iteration=1, start_point=-1) for id in range(1, number + 1)]


def ids(tasks: list[PayloadTask]) -> list[int]:
    return [task.id for task in tasks]


@st.composite
def queues(draw: st.DrawFn) -> list[PayloadTask]:
    """Tasks of which some have failed on a host, or want more time or memory."""
    tasks = waiting(draw(st.integers(0, 60)))
    for task in tasks:
        task.host = draw(st.sampled_from(("", *HOSTS)))
        task.time_growth, task.memory_growth = draw(st.integers(0, 2)), draw(st.integers(0, 1))
    return tasks


numbers = st.integers(1, 8)


@given(queues(), numbers, numbers, st.integers(0, 8), st.booleans())
def test_a_chunk_is_of_what_waits_in_its_order_and_of_one_growth(
    queue: list[PayloadTask], sharing: int, least: int, slots: int, alone: bool
) -> None:
    chunk = next_chunk(queue, "a", sharing, least, slots, alone=alone)

    assert ids(chunk) == [task.id for task in queue if task in chunk]
    assert len({attempts.growth(task) for task in chunk}) <= 1


@given(queues(), numbers, numbers, st.integers(0, 8))
def test_all_that_waits_is_handed_out_once(queue: list[PayloadTask], sharing: int, least: int, slots: int) -> None:
    everything, handed = ids(queue), list[int]()
    for host in HOSTS * len(queue):
        chunk = ids(next_chunk(queue, host, sharing, least, slots, alone=False))
        handed += chunk
        queue = [task for task in queue if task.id not in chunk]

    assert sorted(handed) == everything


@given(st.integers(0, 300), st.integers(1, 8), numbers, st.integers(0, 8))
def test_the_first_chunks_are_the_largest(tasks: int, sharing: int, least: int, slots: int) -> None:
    queue, sizes = waiting(tasks), list[int]()
    while chunk := next_chunk(queue, "a", sharing, least, slots, alone=False):
        sizes.append(len(chunk))
        queue = queue[len(chunk) :]

    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == tasks


def test_hosts_take_half_of_their_share_of_what_is_left() -> None:
    assert ids(next_chunk(waiting(100), "a", sharing=5, least=1, slots=4, alone=False)) == list(range(1, 11))


def test_a_chunk_fills_the_slots_and_is_worth_a_batch() -> None:
    assert len(next_chunk(waiting(100), "a", sharing=5, least=1, slots=16, alone=False)) == 16
    assert len(next_chunk(waiting(100), "a", sharing=5, least=12, slots=4, alone=False)) == 12


def test_a_host_that_shares_with_none_gets_all() -> None:
    assert len(next_chunk(waiting(100), "a", sharing=1, least=1, slots=4, alone=True)) == 100


def test_what_failed_on_a_host_goes_elsewhere_unless_there_is_no_other() -> None:
    failed, fresh = waiting(2)
    failed.host = "a"

    assert next_chunk([failed], "a", sharing=2, least=1, slots=1, alone=False) == []
    assert next_chunk([failed, fresh], "a", sharing=2, least=1, slots=1, alone=False) == [fresh]
    assert next_chunk([failed], "b", sharing=2, least=1, slots=1, alone=False) == [failed]
    assert next_chunk([failed], "a", sharing=1, least=1, slots=1, alone=True) == [failed]
