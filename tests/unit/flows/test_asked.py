"""What was asked for, in each of its forms: as somebody gives it, as parameters of the flow, as a request."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from blocks.compute import LocalCompute, SlurmCompute
from blocks.errors import InvalidRequest
from blocks.job import JobRequest
from blocks.storage import LocalStorage
from connectors.randnum import randnum
from flows import references
from flows.asked import asked_again, parameters, prepared
from flows.deployment_parameters import deployment_parameters

CLUSTER = SlurmCompute(host="login.example.org", partition="long")


@pytest.mark.parametrize("job", [JobRequest(partition="short", cpus=2), {"partition": "short", "cpus": 2}])
def test_a_run_that_is_gone_on_with_asks_a_cluster_for_the_same(tmp_path: Path, job: JobRequest | Mapping[str, Any]) -> None:
    chosen, request = prepared(randnum, inputs={}, compute=CLUSTER, output=str(tmp_path), job=job)

    assert chosen["job"] == request.job == JobRequest(partition="short", cpus=2)
    assert parameters(asked_again(randnum, request))["job"] == request.job
    assert deployment_parameters(request)["job"] == {"partition": "short", "cpus": 2}


def test_what_is_wrong_with_the_inputs_and_the_job_is_told_together(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        prepared(randnum, inputs={"colour": "red"}, compute=CLUSTER, output=str(tmp_path), job={"memory": "much"})
    assert caught.value.problems == (
        "there is no input 'colour'; the inputs are: none",
        "job.memory: 'much' is no size of memory; write for instance 500M or 2G",
    )


def test_only_a_cluster_can_be_asked_for_something(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="a local resource has no scheduler that could be asked for cpus, modules"):
        prepared(randnum, inputs={}, compute=LocalCompute(), output=str(tmp_path), job={"cpus": 2, "modules": ["openmpi"]})


def test_a_storage_does_not_compute(tmp_path: Path) -> None:
    storage = references.reference(LocalStorage(path=str(tmp_path)))
    with pytest.raises(InvalidRequest, match="local-storage is no ComputeResource"):
        prepared(randnum, inputs={}, compute=storage, output=str(tmp_path))
