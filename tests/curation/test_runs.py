"""Runs that are published in MyTardis: what is there afterwards, whatever happened on the way."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, create_model
from werkzeug.wrappers import Request

from blocks.compute import LocalCompute
from blocks.curation import ParameterSet
from blocks.curation.mytardis import MyTardis
from blocks.errors import InvalidRequest, RunCancelled, RunFailed
from blocks.storage import LocalStorage
from connectors.hrmc import hrmc
from flows import Convergence, Graph, Inputs, control, curation, engine, reaper
from flows.connector import SmartConnector
from flows.ledger import Lease, RunRecord
from flows.proposal import Proposal
from flows.result import RunResult
from flows.state import RunState
from tests.engine import Lab
from tests.meanwhile import when
from tests.payloads import connector
from tests.servers.mytardis import ALICE, BOB, MyTardisServer
from tests.servers.mytardis_server.rows import EXPERIMENT, NUMERIC, Row

MAIN = (
    'mkdir -p "$2/deep"\necho "$CHIMINEY_TASK_ID" >"$2/answer.txt"\necho x >"$2/deep/more.csv"\n: >"$2/nothing"\n'
    'echo "{\\"energy\\": $CHIMINEY_TASK_ID.5}" >"$2/result.json"\n'
)
FILES = 4  # of a task's output that are not empty, with its values
PREFIX = "http://rmit.edu.au/schemas/"
AWAY = 5.0  # seconds


@pytest.fixture
def sample(tmp_path: Path) -> SmartConnector:
    graphs = (Graph("fit", x="k", y="energy"),)
    return connector(tmp_path / "connector", MAIN, graphs=graphs, description="A sample.")


@pytest.fixture
def small(tmp_path: Path) -> LocalStorage:
    """hrmc's example with fewer atoms and moves."""
    folder = tmp_path / "small"
    shutil.copytree(hrmc.folder / "example_input", folder)
    values = json.loads((folder / "values").read_text())
    (folder / "values").write_text(json.dumps({**values, "natoms": 360, "box": 25.9, "irun": 2000}))
    return LocalStorage(path=str(folder))


def names(server: MyTardisServer) -> list[str]:
    return [dataset["description"] for dataset in server.table("dataset")]


def files(server: MyTardisServer, dataset: str) -> dict[str, bytes]:
    """The files of a dataset, by directory and name."""
    (uri,) = (each["resource_uri"] for each in server.table("dataset") if each["description"] == dataset)
    of_it = [each for each in server.table("dataset_file") if each["dataset"] == uri]
    return {f"{each['directory'] or '.'}/{each['filename']}": server.rows.contents[each["id"]] for each in of_it}


def sets(server: MyTardisServer, row: Row) -> dict[str, dict[str, Any]]:
    """Its parameter sets, by their schemas, and the names of graphs."""
    found: dict[str, dict[str, Any]] = {}
    for each in row["parameter_sets"]:
        parameters = {
            server.rows.table("parametername")[int(parameter["name"].split("/")[-2])]["name"]: parameter["string_value"]
            for parameter in each["parameters"]
        }
        schema = each["schema"]["namespace"].removeprefix(PREFIX)
        found[f"{schema} {parameters['name']}" if "name" in parameters else schema] = parameters
    return found


def kept(server: MyTardisServer) -> dict[str, int]:
    """How many rows there are of each kind that is made."""
    kinds = ("experiment", "dataset", "dataset_file", "experimentparameterset", "datasetparameterset", "datafileparameterset")
    return {kind: len(server.table(kind)) for kind in kinds}


def curated_again(lab: Lab, result: RunResult, proposal: Proposal, into: str = "") -> None:
    record = lab.ledger.run(result.run_id)
    assert record is not None
    assert proposal.curation is not None
    with engine.controlled(lab.ledger, record, proposal, lab.view) as run:
        curation.publish(run, RunState.model_validate_json(record.state), proposal.curation, into)


def on(path: str, act: Callable[[], None], after: int = 1) -> Callable[[Request], None]:
    """What a server does at the so manieth POST to a path, once."""
    seen = 0

    def heed(request: Request) -> None:
        nonlocal seen
        seen += request.method == "POST" and request.path.endswith(path)
        if seen == after:
            seen += 1
            act()

    return heed


def test_the_description_says_what_was_given_and_what_was_swept_over(
    server: MyTardisServer, repository: MyTardis, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    given = create_model("Inputs", __base__=Inputs, size=(int, 1), n=(int, 1))
    varied = connector(tmp_path / "connector", MAIN, Inputs=given, description="A sample without a full stop")

    result = lab.go(varied, LocalCompute(), inputs={"size": 7}, sweep={"n": [1, 2]}, curation=repository)

    (experiment,) = server.table("experiment")
    assert experiment["description"].splitlines() == [
        'A sample without a full stop. With {"size": 7}. For each of several values of n.',
        "",
        f"Chiminey run {result.name}",
    ]


def test_an_hrmc_run_is_an_experiment_with_a_dataset_for_each_step_and_its_convergence_graph(
    server: MyTardisServer, repository: MyTardis, small: LocalStorage, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    asked: dict[str, Any] = {"inputs": {"fanout_per_kept_result": 2, "error_threshold": 0}, "max_iterations": 2}
    result = lab.go(hrmc, LocalCompute(slots=2), input=small, curation=repository, **asked)

    (experiment,) = server.table("experiment")
    assert result.curated == f"{server.url}/experiment/view/{experiment['id']}/"
    assert experiment["title"] == f"results/{result.name}"
    best = min((1, 2), key=lambda task: lab.tasks(result)[task - 1].results["criterion"])
    steps = ["input_0/initial", "0_0_1", "0_0_2", f"1_{best}_3", f"1_{best}_4", f"final_{best}_3", f"final_{best}_4"]
    assert names(server) == steps

    graph = sets(server, experiment)["expgraph hrmcexp"]
    x, y = "hrmcexp/iteration", "hrmcexp/criterion"
    assert json.loads(graph["value_keys"]) == [[x, y]]
    assert json.loads(graph["graph_info"])["axes"] == ["iteration", "criterion"]
    outputs = {each["description"]: sets(server, each) for each in server.table("dataset")}
    points = [json.loads(outputs[step]["dsetgraph hrmcexp"]["value_dict"]) for step in steps[1:5]]
    wanted = [{x: task.iteration + 1, y: task.results["criterion"]} for task in lab.tasks(result)]
    assert points == wanted
    assert "hrmcexp" in sets(server, experiment)
    assert "hrmcdataset/input" in outputs["input_0/initial"]
    assert all("hrmcdataset/output" in outputs[step] for step in steps[1:5])

    fit = outputs[steps[1]]["dsetgraph hrmcdset"]
    curves = next(row for row in server.table("dataset_file") if row["filename"] == "gr.csv")
    offered = json.loads(sets(server, curves)["dfilegraph hrmcdfile"]["value_dict"])
    assert {key for curve in json.loads(fit["value_keys"]) for key in curve} == set(offered)
    assert len({len(column) for column in offered.values()}) == 1


def test_files_keep_their_places_sizes_types_and_checksums(
    server: MyTardisServer, repository: MyTardis, sample: SmartConnector, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    result = lab.go(sample, LocalCompute(), sweep={"k": [1, 2]}, curation=repository)
    assert names(server) == ["0_0_1", "0_0_2", "final_0_1", "final_0_2"]
    there = files(server, "0_0_2")
    folder = lab.folder(result) / "output_0" / "2"
    on_disk = {
        f"{path.relative_to(folder).parent}/{path.name}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_size
    }
    assert there == on_disk
    assert len(there) == FILES
    types = {each["filename"]: each["mimetype"] for each in server.table("dataset_file")}
    assert (types["answer.txt"], types["more.csv"], types["result.json"]) == ("text/plain", "text/csv", "application/json")
    assert all(replica["verified"] for each in server.table("dataset_file") for replica in each["replicas"])
    assert json.loads((lab.folder(result) / "run.json").read_text())["curated"] == result.curated


def test_curated_twice_nothing_is_doubled_nor_sent_again_even_when_all_was_forgotten(
    server: MyTardisServer, repository: MyTardis, sample: SmartConnector, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(sample, LocalCompute(), sweep={"k": [1, 2]}, curation=repository)
    result = lab.drive(lab.add(proposal), proposal)
    once, sent = kept(server), server.posts("dataset_file")
    assert once["experimentparameterset"] == 1

    curated_again(lab, result, proposal)
    known = lab.ledger.curations.known(result.run_id, server.url)
    for key in list(known):
        del known[key]
    curated_again(lab, result, proposal)

    assert kept(server) == once
    assert server.posts("dataset_file") == sent == 4 * FILES


def test_a_name_that_has_come_to_mean_another_server_means_nothing_of_what_was_sent_to_the_first(
    server: MyTardisServer, repository: MyTardis, sample: SmartConnector, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    saved_as(repository, "museum")
    proposal = lab.request(sample, LocalCompute(), curation=repository)
    result = lab.drive(lab.add(proposal), proposal)
    real = MyTardisServer()
    real.rows.add_experiment(ALICE, {"title": "mine", "description": f"as tried with Chiminey run {result.name}"})
    there = MyTardis(url=real.url, username=ALICE.name, api_key=SecretStr(ALICE.api_key))
    saved_as(there, "museum")

    curated_again(lab, result, replace(proposal, curation=there))

    real.stop()
    assert names(real) == names(server)
    assert len(real.table("dataset_file")) == 2 * FILES
    assert [(each.repository, each.url) for each in lab.ledger.curations.of(result.run_id)] == [
        ("museum", f"{real.url}/experiment/view/2/")
    ]


def saved_as(repository: MyTardis, name: str) -> None:
    """As if it was saved, which without a Prefect server it can't be."""
    repository._block_document_name = name


def test_an_experiment_that_somebody_removed_is_made_anew(
    server: MyTardisServer, repository: MyTardis, sample: SmartConnector, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(sample, LocalCompute(), curation=repository)
    result = lab.drive(lab.add(proposal), proposal)
    server.rows.table("experiment").clear()
    curated_again(lab, result, proposal)
    (experiment,) = server.table("experiment")
    assert len([each for each in server.table("dataset") if experiment["resource_uri"] in each["experiments"]]) == 2


@pytest.mark.slow
def test_killed_after_any_request_was_done_the_next_controller_publishes_the_rest_and_doubles_nothing(
    server: MyTardisServer, repository: MyTardis, tmp_path: Path
) -> None:
    sample = connector(tmp_path / "connector", 'echo 1 >"$2/answer.txt"\n')
    lab = Lab(tmp_path)
    lab.go(sample, LocalCompute(), curation=repository)
    posts = sum(method == "POST" for method, _ in server.requests)
    wanted = kept(server)
    assert posts == sum(wanted.values())

    for kill in range(1, posts + 1):
        for kind in wanted:
            server.rows.table(kind).clear()
        proposal = lab.request(sample, LocalCompute(), curation=repository)
        record = lab.add(proposal)
        controller = start(tmp_path, record, server)
        server.after = on("/", lambda controller=controller: os.killpg(controller.pid, signal.SIGKILL), after=kill)
        assert controller.wait(timeout=240) == -signal.SIGKILL
        server.after = lambda _request: None
        hosts = lab.ledger.hosts(record.id)
        result = lab.drive(record, proposal)
        assert (result.state, result.curated) == (
            "completed",
            f"{server.url}/experiment/view/{server.table('experiment')[0]['id']}/",
        )
        assert kept(server) == wanted, f"killed after request {kill}"
        assert lab.ledger.hosts(record.id) == hosts, "hosts were made again, for nothing"


@pytest.mark.slow
def test_a_run_that_was_reaped_while_it_was_published_has_only_that_left_to_do(
    server: MyTardisServer, repository: MyTardis, tmp_path: Path
) -> None:
    sample = connector(tmp_path / "connector", 'echo 1 >"$2/answer.txt"\n')
    lab = Lab(tmp_path)
    proposal = lab.request(sample, LocalCompute(), curation=repository)
    record = lab.add(proposal)
    controller = start(tmp_path, record, server)
    server.after = on("dataset/", lambda: os.killpg(controller.pid, signal.SIGKILL))
    assert controller.wait(timeout=240) == -signal.SIGKILL
    dead = lab.ledger.run(record.id)
    assert dead is not None
    reaper.end(lab.ledger, dead, lab.find, "failed", "its controller is gone")
    hosts = lab.ledger.hosts(record.id)
    assert lab.drive(record, proposal).state == "completed"
    assert lab.ledger.hosts(record.id) == hosts
    assert names(server) == ["0_0_1", "final_0_1"]


def start(folder: Path, record: RunRecord, server: MyTardisServer) -> subprocess.Popen[bytes]:
    words = [f"sqlite:///{folder}/ledger.db", record.id, str(folder / "connector"), server.url]
    return subprocess.Popen([sys.executable, "-m", "tests.curation.controller", *words], start_new_session=True)


def test_a_server_that_is_away_for_a_while_in_the_middle_loses_nothing(
    server: MyTardisServer, repository: MyTardis, sample: SmartConnector, tmp_path: Path
) -> None:
    def leave_for_a_while() -> None:
        def away() -> None:
            server.stop()
            time.sleep(AWAY)
            server.start()

        threading.Thread(target=away).start()

    server.before = on("dataset_file/", leave_for_a_while, after=3)
    lab = Lab(tmp_path)
    result = lab.go(sample, LocalCompute(), sweep={"k": [1, 2, 3]}, curation=repository)
    assert (result.state, result.messages) == ("completed", ())
    assert len(server.table("dataset")) == 6
    assert len(server.table("dataset_file")) == 6 * FILES
    assert {len(files(server, name)) for name in names(server)} == {FILES}


def test_a_run_that_ends_leaves_its_connections_to_another_of_the_same_sweep(
    tmp_path: Path, sample: SmartConnector, server: MyTardisServer, repository: MyTardis
) -> None:
    """The runs of a sweep share the sweep's resources."""
    lab, one_has_ended, experiments = Lab(tmp_path), threading.Event(), itertools.count()

    def hold_the_second_up(request: Request) -> None:
        if request.method == "POST" and request.path.endswith("/experiment/") and next(experiments):
            one_has_ended.wait(30)  # less than a client waits for an answer

    def go() -> None:
        results.append(lab.go(sample, LocalCompute(), sweep={"k": [1]}, curation=repository))
        one_has_ended.set()

    results = list[RunResult]()
    server.before = hold_the_second_up
    runs = [threading.Thread(target=go) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [result.messages for result in results] == [(), ()]
    assert len(server.table("experiment")) == 2
    assert all(result.curated for result in results)


def test_a_request_that_fails_and_leaves_its_row_is_not_repeated(
    server: MyTardisServer, repository: MyTardis, sample: SmartConnector, tmp_path: Path
) -> None:
    server.api.refused = {"answer.txt": 500, "more.csv": 502}
    lab = Lab(tmp_path)
    result = lab.go(sample, LocalCompute(), curation=repository)
    assert (result.state, result.messages) == ("completed", ())
    assert len(server.table("dataset_file")) == 2 * FILES == server.posts("dataset_file")


def test_a_file_that_is_damaged_on_the_way_is_told_and_costs_neither_the_run_nor_the_other_files(
    server: MyTardisServer, repository: MyTardis, sample: SmartConnector, tmp_path: Path
) -> None:
    server.api.garbled = {"answer.txt"}
    lab = Lab(tmp_path)
    proposal = lab.request(sample, LocalCompute(), curation=repository)
    result = lab.drive(lab.add(proposal), proposal)
    assert (result.state, result.curated) == ("completed", "")
    (message,) = result.messages
    assert "2 files did not arrive whole" in message
    assert "0_0_1/answer.txt, final_0_1/answer.txt" in message
    assert f"chiminey curate {result.name}" in message
    assert message in " ".join(lab.view.messages)
    assert message in json.loads((lab.folder(result) / "run.json").read_text())["messages"]
    assert len(server.table("dataset_file")) == 2 * FILES
    assert lab.ledger.curations.of(result.run_id)[0].status == "failed"

    server.api.garbled.clear()
    for row in [each for each in server.table("dataset_file") if each["filename"] == "answer.txt"]:
        del server.rows.table("dataset_file")[row["id"]]  # as an administrator does
    curated_again(lab, result, proposal)
    assert all(replica["verified"] for each in server.table("dataset_file") for replica in each["replicas"])
    assert len(server.table("dataset_file")) == 2 * FILES
    assert lab.ledger.curations.of(result.run_id)[0].status == "done"


def test_a_repository_that_refuses_after_all_does_not_fail_the_run(
    server: MyTardisServer, repository: MyTardis, sample: SmartConnector, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(sample, LocalCompute(), curation=repository)
    server.api.users.clear()
    result = lab.drive(lab.add(proposal), proposal)
    assert result.state == "completed"
    assert "the run is not curated: " in result.messages[0]
    assert "does not accept the credentials" in result.messages[0]


def test_a_hook_that_fails_does_not_fail_the_run(server: MyTardisServer, repository: MyTardis, tmp_path: Path) -> None:
    def broken(*_: object) -> list[Any]:
        raise KeyError("energy")

    sample = connector(tmp_path / "connector", MAIN, describe_output=broken)
    result = Lab(tmp_path).go(sample, LocalCompute(), curation=repository)
    assert result.state == "completed"
    assert "KeyError: 'energy'" in result.messages[0]


def test_what_is_wrong_with_what_a_hook_yields_is_told_with_the_hook_and_its_line(
    server: MyTardisServer, repository: MyTardis, tmp_path: Path
) -> None:
    def breaks(*_: object) -> Iterator[ParameterSet]:
        yield ParameterSet("expgraph", {})
        raise KeyError("energy")

    def yields(*_: object) -> Iterator[Any]:
        yield {"schema": "expgraph"}

    def returns(*_: object) -> Any:
        return ParameterSet("expgraph", {})

    def place(hook: Callable[..., Any], line: int = 0) -> str:
        return f"{__file__}, line {hook.__code__.co_firstlineno + line}"

    for name, hook, told in (
        ("describe_output", breaks, f"failed: {place(breaks, 2)}: KeyError: 'energy'"),
        (
            "describe_run",
            yields,
            f"({place(yields)}): it must give a ParameterSet each time, and it returned {{'schema': 'expgraph'}}",
        ),
        ("describe_file", returns, f"({place(returns)}): it must return several ParameterSets, such as in a list, and it"),
    ):
        sample = connector(tmp_path / name, MAIN, **{name: hook})
        result = Lab(tmp_path).go(sample, LocalCompute(), curation=repository)
        assert result.state == "completed"
        assert f"the hook {name} of sample {told}" in result.messages[0]


def test_a_wrong_key_or_experiment_is_told_before_anything_runs(
    server: MyTardisServer, repository: MyTardis, sample: SmartConnector, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    server.rows.add_experiment(BOB, {"title": "of Bob"})
    for experiment, told in (("1", "is not yours"), ("7", "has no experiment 7"), ("first", "can't be an experiment")):
        with pytest.raises(InvalidRequest, match=told):
            lab.request(sample, LocalCompute(), curation=repository, experiment=experiment)
    wrong = MyTardis(url=server.url, username=ALICE.name, api_key=SecretStr("wrong-key"))
    with pytest.raises(InvalidRequest, match="does not accept the credentials") as caught:
        lab.request(sample, LocalCompute(), curation=wrong)
    assert "wrong-key" not in str(caught.value)
    with pytest.raises(InvalidRequest, match="name that with --curate"):
        lab.request(sample, LocalCompute(), experiment="1")


def test_two_runs_go_into_one_experiment_which_gets_its_graphs_once_for_each(
    server: MyTardisServer, repository: MyTardis, sample: SmartConnector, tmp_path: Path
) -> None:
    server.rows.add_experiment(ALICE, {"title": "mine", "description": "by hand"})
    lab = Lab(tmp_path)
    for _ in range(2):
        proposal = lab.request(sample, LocalCompute(), curation=repository, experiment="1")
        result = lab.drive(lab.add(proposal), proposal)
        curated_again(lab, result, proposal, "1")
    (experiment,) = server.table("experiment")
    assert (experiment["title"], experiment["description"]) == ("mine", "by hand")
    assert names(server) == ["0_0_1", "final_0_1"] * 2
    assert len(server.table("dataset_file")) == 4 * FILES
    assert list(sets(server, experiment)) == ["expgraph fit"]
    assert len(experiment["parameter_sets"]) == 1


def test_what_has_no_schema_is_left_out_with_what_an_administrator_must_register(tmp_path: Path) -> None:
    server = MyTardisServer()
    server.rows.register(f"{PREFIX}fitted", EXPERIMENT, energy=NUMERIC)
    repository = MyTardis(url=server.url, username=ALICE.name, api_key=SecretStr(ALICE.api_key))
    sample = connector(tmp_path / "connector", MAIN, graphs=(Graph("fit", x="k", y="energy"),))
    lab = Lab(tmp_path)
    result = lab.go(sample, LocalCompute(), sweep={"k": [1]}, curation=repository)
    server.stop()
    assert result.curated
    assert server.table("experiment")[0]["parameter_sets"] == []
    told = [message for message in lab.view.messages if "schema" in message]
    assert len(told) == 2
    assert f"register the experiment schema {PREFIX}expgraph, with the parameters graph_info (text), name (text)" in told[0]
    assert f"the dataset schema {PREFIX}dsetgraph" in told[1]


def test_a_run_that_was_cancelled_publishes_all_that_completed(
    server: MyTardisServer, repository: MyTardis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes: the ledger says at each renewal of the lease that a cancel was asked for."""
    renew, renewals = Lease.renew, itertools.count()
    latest = 0

    def counted(lease: Lease) -> bool:
        nonlocal latest
        is_cancelled = renew(lease)
        latest = next(renewals)
        return is_cancelled

    def slowly(_request: Request) -> None:
        until = latest + 2
        while latest < until:
            time.sleep(0.01)

    monkeypatch.setattr(Lease, "renew", counted)
    monkeypatch.setattr(control, "HEARTBEAT_SECONDS", 0.02)
    sample = connector(tmp_path / "connector", f'{MAIN}[ "$CHIMINEY_TASK_ID" -le 2 ] || sleep 600\n')
    lab = Lab(tmp_path)
    proposal = lab.request(sample, LocalCompute(slots=3), sweep={"k": [1, 2, 3]}, curation=repository)
    record = lab.add(proposal)

    def cancel() -> None:
        server.before = slowly
        lab.ledger.request_cancel(record.id)

    when(lambda: lab.ledger.task_counts(record.id).get("completed") == 2, cancel)
    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)

    assert names(server) == ["0_0_1", "0_0_2"]
    assert len(server.table("dataset_file")) == 2 * FILES
    assert [each.status for each in lab.ledger.curations.of(record.id)] == ["done"]


def test_what_completed_before_the_sweep_of_an_iteration_failed_is_published(
    server: MyTardisServer, repository: MyTardis, tmp_path: Path
) -> None:
    def sweep(_self: object, _inputs: object, iteration: int) -> dict[str, Any]:
        if iteration:
            raise KeyError("energy")
        return {"k": [1, 2]}

    endless = {"converged": lambda *_: Convergence(done=False), "max_iterations": 3}
    lab = Lab(tmp_path)
    with pytest.raises(RunFailed, match="the hook internal_sweep of sample failed"):
        lab.go(connector(tmp_path / "connector", MAIN, internal_sweep=sweep, **endless), LocalCompute(), curation=repository)

    assert names(server) == ["0_0_1", "0_0_2"]
    assert [each.status for each in lab.ledger.curations.of(lab.run.id)] == ["done"]


def test_a_run_of_which_nothing_completed_is_not_published(server: MyTardisServer, repository: MyTardis, tmp_path: Path) -> None:
    sample = connector(tmp_path / "connector", "exit 3\n")
    lab = Lab(tmp_path)
    proposal = lab.request(sample, LocalCompute(), curation=repository)
    record = lab.add(proposal)
    with pytest.raises(Exception, match="failed"):
        lab.drive(record, proposal)
    assert server.table("experiment") == []


def test_the_key_is_nowhere_in_the_ledger_the_results_or_what_was_said(
    server: MyTardisServer, repository: MyTardis, sample: SmartConnector, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    server.api.garbled = {"answer.txt"}
    lab.go(sample, LocalCompute(), curation=repository)
    lab.ledger.close()
    kept_files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("mytardis" in path.read_text(errors="replace") for path in kept_files)
    assert [path for path in kept_files if ALICE.api_key in path.read_text(errors="replace")] == []
    assert ALICE.api_key not in " ".join(lab.view.messages)
