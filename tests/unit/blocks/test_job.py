"""What a job request understands, and how requests are laid over each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.job import JobRequest, megabytes, seconds

words = st.sampled_from(["", "a", "b"])
numbers = st.integers(0, 3)
requests = st.builds(
    JobRequest,
    partition=words,
    memory=st.sampled_from(["", "500M", "2G"]),
    wall_time=st.sampled_from(["", "90m", "1:00:00"]),
    nodes=numbers,
    cpus=numbers,
    exclusive=st.booleans(),
    environment=st.dictionaries(st.sampled_from(["X", "Y"]), words),
    directives=st.lists(words, max_size=2),
)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", 90),
        ("90m", 5400),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        ("1:30", 90),
        ("1:30:00", 5400),
        ("2-00:00:00", 172800),
        ("1-12", 129600),
        (" 10M ", 600),
    ],
)
def test_a_wall_time_is_read_as_people_and_schedulers_write_it(text: str, length: int) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "90", "soon", "1h 30x", "m", "-1m"])
def test_what_is_no_wall_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="no wall time; write for instance 90m"):
        seconds(text)


@given(st.integers(0, 30), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_spans_and_clocks_mean_the_same(days: int, hours: int, minutes: int, rest: int) -> None:
    length = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    assert seconds(f"{days}d{hours}h{minutes}m{rest}s") == length
    assert seconds(f"{days}-{hours:02}:{minutes:02}:{rest:02}") == length
    assert seconds(f"{days * 24 + hours}:{minutes:02}:{rest:02}") == length


@pytest.mark.parametrize(
    ("text", "size"),
    [("500M", 500), ("500", 500), ("2G", 2048), ("2 GB", 2048), ("2gib", 2048), ("1.5G", 1536), ("1T", 1048576), ("1K", 1)],
)
def test_a_size_of_memory_is_in_megabytes_rounded_up(text: str, size: int) -> None:
    assert megabytes(text) == size


@pytest.mark.parametrize("text", ["", "much", "2X", "-1G"])
def test_what_is_no_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="no size of memory; write for instance 500M"):
        megabytes(text)


@given(requests)
def test_a_request_over_nothing_is_itself(request: JobRequest) -> None:
    assert request.over(JobRequest()) == request
    assert JobRequest().over(request) == request


@given(requests, requests, requests)
def test_it_makes_no_difference_which_of_three_are_laid_over_each_other_first(
    run: JobRequest, connector: JobRequest, resource: JobRequest
) -> None:
    assert run.over(connector).over(resource) == run.over(connector.over(resource))


@given(requests, requests)
def test_the_upper_wins_and_the_lower_fills_in(upper: JobRequest, lower: JobRequest) -> None:
    both = upper.over(lower)
    assert both.partition == (upper.partition or lower.partition)
    assert both.cpus == (upper.cpus or lower.cpus)
    assert both.environment == {**lower.environment, **upper.environment}
    assert both.directives == [*lower.directives, *upper.directives]


@given(requests, st.integers(0, 4))
def test_growing_doubles_the_memory_that_is_asked_for_and_nothing_else(request: JobRequest, times: int) -> None:
    grown = request.grown(times)
    if request.memory:
        assert megabytes(grown.memory) == megabytes(request.memory) * 2**times
    assert grown.model_copy(update={"memory": request.memory}) == request


def test_processors_are_those_of_all_ranks() -> None:
    assert JobRequest(tasks=4, cpus=2).processors == 8
    assert JobRequest(cpus=3).processors == 3
    assert JobRequest(tasks=5).processors == 5
    assert JobRequest().processors == 0


@pytest.mark.parametrize(
    "field",
    [
        {"partition": "batch; rm -rf ~"},
        {"account": "a b"},
        {"directives": ["-l a=1\n#PBS -l b=2"]},
        {"environment": {"1X": "a"}},
        {"wall_time": "0m"},
        {"memory": "lots"},
        {"nodes": -1},
        {"quality": "high"},
    ],
)
def test_what_would_spoil_a_job_script_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        JobRequest.model_validate(field)
