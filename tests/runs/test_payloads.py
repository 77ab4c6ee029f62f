"""The payload protocol, on this machine and on a host: the original's forms, and what a shell may stumble over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.compute import ComputeResource, LocalCompute
from blocks.errors import InvalidRequest, RunFailed
from blocks.storage import LocalStorage
from flows import Inputs, Reliability, SmartConnector
from flows.collection import REASON_LENGTH
from tests.engine import Lab, unix
from tests.payloads import connector
from tests.servers.farm import Farm

Place = Callable[[], ComputeResource]


class OneWord(Inputs):
    word: str = ""


@pytest.fixture(params=["this machine", "a host with bash", pytest.param("a host without bash", marks=pytest.mark.ssh)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> ComputeResource:
    """Where a payload runs."""
    if request.param == "this machine":
        return LocalCompute(scratch=str(tmp_path / "scratch"), slots=2)
    farm: Farm = request.getfixturevalue("farm")
    return unix(*farm(1, no_bash=request.param.endswith("without bash")), slots=2)


def read(lab: Lab, name: str) -> str:
    (run,) = lab.results.iterdir()
    return (run / "output" / name).read_text()


def test_only_main(place: ComputeResource, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.go(connector(tmp_path, 'echo "from $1" >"$2/answer"; pwd >&2; echo printed'), place)

    assert read(lab, "1/answer") == "from smart_connector_input\n"
    (run,) = lab.results.iterdir()
    assert (run / "output_0" / "1.stdout").read_text() == "printed\n"
    assert (run / "output_0" / "1.stderr").read_text().strip().endswith("/1")


def test_main_that_changes_into_its_input_and_writes_beside_it(place: ComputeResource, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.go(
        connector(tmp_path, 'cd $1 && cat values >../$2/copy && [ "$PWD" = "$INPUT_DIR" ] && cp values "$OUTPUT_DIR/again"'),
        place,
    )

    assert json.loads(read(lab, "1/copy"))["run_counter"] == 1
    assert read(lab, "1/again") == read(lab, "1/copy")


def test_a_program_that_schedule_compiles(place: ComputeResource, tmp_path: Path) -> None:
    source = b'#include <stdio.h>\nint main(void) { puts("compiled"); return 0; }\n'
    lab = Lab(tmp_path)
    lab.go(connector(tmp_path, "./program >$2/answer", schedule="cc -o program program.c", files={"program.c": source}), place)

    assert read(lab, "1/answer") == "compiled\n"


def test_what_the_payload_has_beside_the_process_is_beside_the_task(place: ComputeResource, tmp_path: Path) -> None:
    main = './tool >"$2/tool"; sh ../common/tool.sh >"$2/common"; cat ../stop ../ready >"$2/built" 2>/dev/null || true\n'
    for bootstrap in ({}, {"bootstrap": 'echo "built in ${PWD##*/}" >ready\n'}):
        folder = tmp_path / f"{len(bootstrap)}"
        sample = connector(folder, main, **bootstrap)
        (folder / "payload/common").mkdir()
        (folder / "payload/common/tool.sh").write_text("#!/bin/sh\necho common\n")
        (folder / "payload/common/tool.sh").chmod(0o755)
        (folder / "payload/process_payload/tool").symlink_to("../common/tool.sh")
        (folder / "payload/stop").write_text("not for the runner")
        lab = Lab(folder)
        result = lab.go(sample, place, reliability=Reliability(maximum_retry=0))
        got = lab.folder(result) / "output_0" / "1"
        assert [(got / name).read_text() for name in ("tool", "common")] == ["common\n", "common\n"]
        assert (got / "built").read_text() == ("built in payload\n" if bootstrap else "")


@pytest.mark.parametrize("more", [0, 5000])
def test_a_file_of_the_payload_is_never_taken_for_what_we_send(place: ComputeResource, tmp_path: Path, more: int) -> None:
    files = {"arguments": b'touch "$OUTPUT_DIR/started"\n', "tasks": b"1 1 -\n", "environment": b"exit 1\n", "more": bytes(more)}
    lab = Lab(tmp_path)
    lab.go(
        connector(tmp_path, 'echo "$#$3" >"$2/told"', files=files, Inputs=OneWord, arguments=("word",)),
        place,
        inputs={"word": "a"},
    )

    assert read(lab, "1/told") == "3a\n"
    assert not (next(lab.results.iterdir()) / "output/1/started").exists()


def test_what_is_not_kept_stays_behind_also_of_a_task_that_fails(place: ComputeResource, tmp_path: Path) -> None:
    main = """
    cd "$2" && mkdir -p scratch/deep results && echo '{"energy": 1}' >result.json
    for name in scratch/deep/a.dat results/b.dat results/c.tmp log; do echo "$name" >"$name"; done
    [ "$CHIMINEY_TASK_ID" = 1 ]
    """
    sample = connector(tmp_path, main, sweep={"n": [1, 2]}, include=["*.dat", "log"], exclude=["scratch"])
    lab = Lab(tmp_path)
    result = lab.go(sample, place, reliability=Reliability(maximum_retry=0))

    assert result.state == "completed-with-failures"
    assert result.results == {"energy": 1}
    for output in ("output_0/1", "failed_0/2.1"):
        folder = lab.folder(result) / output
        found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
        assert found == {"values", "log", "result.json", "results", "results/b.dat"}


def test_a_scratch_file_that_would_take_a_day_to_send_is_not_sent(place: ComputeResource, tmp_path: Path) -> None:
    main = 'cd "$2" && mkdir deep && truncate -s 4T deep/scratch.bin && echo done >answer'
    lab = Lab(tmp_path)
    lab.go(connector(tmp_path, main, exclude=["*.bin"]), place)

    assert read(lab, "1/answer") == "done\n"


def test_bootstrap_runs_once_for_all_tasks_of_a_host(place: ComputeResource, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path, 'cp prepared "$2/"', bootstrap="echo once >>process_payload/prepared", sweep={"n": [1, 2, 3]})
    lab.go(sample, place)

    assert [read(lab, f"{number}/prepared") for number in (1, 2, 3)] == ["once\n"] * 3


def test_a_bootstrap_that_fails_explains_itself(place: ComputeResource, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="exit code 4: ask the administrator for ngspice"):
        Lab(tmp_path).go(connector(tmp_path, "true", bootstrap="echo ask the administrator for ngspice >&2; exit 4"), place)


def test_start_points_templates_values_and_arguments(place: ComputeResource, tmp_path: Path) -> None:
    class Words(Inputs):
        word: str = 'it\'s "$HOME" `x` \\ ü'

    root = tmp_path / "input with 'quotes' ü"
    for name in ("a b", "c'd"):
        (root / name / "deep" / "empty").mkdir(parents=True)
        (root / name / "in.txt_template").write_text("{{ word }} {{ n }} {{ which }}")
        (root / name / "values").write_text(json.dumps({"which": name}))
        (root / name / "deep" / "öl.bin").write_bytes(bytes(range(256)))
        (root / name / "link").symlink_to("deep/öl.bin")
    main = 'cp -R "$1/." "$2/input"; printf "%s|" "$@" >"$2/arguments"; env | grep CHIMINEY_ | sort >"$2/environment"'
    lab = Lab(tmp_path)

    result = lab.go(
        connector(tmp_path / "c", 'mkdir "$2/input"\n' + main, Inputs=Words, arguments=("word",)),
        place,
        sweep={"n": [1, 2]},
        input=LocalStorage(path=str(root)),
    )

    assert result.tasks.completed == 4
    run = lab.folder(result)
    for number, (name, n) in enumerate([("a b", 1), ("a b", 2), ("c'd", 1), ("c'd", 2)], start=1):
        got = run / "output" / str(number)
        assert (got / "input" / "in.txt").read_text() == f'it\'s "$HOME" `x` \\ ü {n} {name}'
        assert (got / "input" / "in.txt_template").read_text() == "{{ word }} {{ n }} {{ which }}"
        assert (got / "input" / "deep" / "öl.bin").read_bytes() == bytes(range(256))
        assert (got / "input" / "deep" / "empty").is_dir()
        assert (got / "input" / "link").is_symlink()
        assert (got / "arguments").read_text() == 'smart_connector_input|chiminey_output|it\'s "$HOME" `x` \\ ü|'
        assert json.loads((got / "values").read_text())["which"] == name
        assert f"CHIMINEY_TASK_ID={number}\n" in (got / "environment").read_text()
    results = ["connector", "input_0", "output", "output_0", "ro-crate-metadata.json", "run.json", "tasks.json"]
    assert sorted(path.name for path in run.iterdir()) == results
    assert [task["values"]["n"] for task in json.loads((run / "tasks.json").read_text())] == [1, 2, 1, 2]


def test_a_start_point_may_be_empty_or_have_values_only(place: ComputeResource, tmp_path: Path) -> None:
    (tmp_path / "input" / "empty").mkdir(parents=True)
    (tmp_path / "input" / "plain").mkdir()
    (tmp_path / "input" / "plain" / "values").write_text('{"n": 3}')
    lab = Lab(tmp_path)

    result = lab.go(connector(tmp_path / "c", 'ls "$1" >"$2/got"'), place, input=LocalStorage(path=str(tmp_path / "input")))

    assert result.tasks.completed == 2
    assert [read(lab, f"{number}/got") for number in (1, 2)] == ["values\n"] * 2


def test_a_connector_without_a_payload_gives_the_program_itself(place: ComputeResource, tmp_path: Path) -> None:
    class Square(SmartConnector):
        """Squares."""

        name = "square"
        payload = None

        def run_task(self, inputs: object, values: dict[str, int]) -> str:  # type: ignore[override]
            return f'echo $(({values["n"]} * {values["n"]})) >"$2/square"\n'

    lab = Lab(tmp_path)
    lab.go(Square(), place, sweep={"n": [3, 4]})

    assert [read(lab, f"{number}/square") for number in (1, 2)] == ["9\n", "16\n"]


def test_an_output_full_of_oddities_comes_back_as_it_was(place: ComputeResource, tmp_path: Path) -> None:
    main = """
cd "$2" && mkdir -p empty 'with space' && printf '\\000\\001' >"with space/quote's.bin" && ln -s empty link
echo run >script && chmod 755 script && ln script hard && echo x >-dash
mkdir locked && echo in >locked/file && chmod 500 locked
"""
    lab = Lab(tmp_path)
    result = lab.go(connector(tmp_path, main), place)

    got = lab.folder(result) / "output_0" / "1"
    assert (got / "with space" / "quote's.bin").read_bytes() == b"\0\1"
    assert (got / "empty").is_dir()
    assert (got / "link").is_symlink()
    assert (got / "script").stat().st_mode & 0o111
    assert (got / "hard").read_text() == "run\n"
    assert (got / "-dash").read_text() == "x\n"
    assert (got / "locked" / "file").read_text() == "in\n"


def test_an_output_that_its_owner_may_not_read_comes_back(place: ComputeResource, tmp_path: Path) -> None:
    main = """
mkdir -p "$2/shut/in" && echo a >"$2/shut/in/file" && echo b >"$2/secret"
chmod 0 "$2/shut/in/file" "$2/shut/in" "$2/shut" "$2/secret" "$2" . 2>&1
"""
    lab = Lab(tmp_path)
    result = lab.go(connector(tmp_path, main), place)

    assert read(lab, "1/shut/in/file") == "a\n"
    assert read(lab, "1/secret") == "b\n"
    assert result.tasks.completed == 1


def test_an_output_folder_that_was_replaced_by_a_link_is_followed(place: ComputeResource, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.go(connector(tmp_path, 'rmdir "$2" && mkdir elsewhere && ln -s elsewhere "$2" && echo here >"$2/answer"'), place)

    assert read(lab, "1/answer") == "here\n"


def test_values_in_an_output_are_those_that_the_task_was_given(place: ComputeResource, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.go(
        connector(tmp_path, 'mkdir "$2/values" && echo own >"$2/values/own" && echo kept >"$2/answer"'), place, sweep={"n": [5]}
    )

    assert json.loads(read(lab, "1/values"))["n"] == 5
    assert read(lab, "1/answer") == "kept\n"


@pytest.mark.parametrize(
    ("main", "warnings"),
    [
        ('echo "$CHIMINEY_TASK_ID" >"$2/values"\n', 1),
        ('mkdir "$2/values"; touch "$2/values/a" "$2/values/b"\n', 1),
        ('cp "$CHIMINEY_VALUES" "$2/values"\n', 0),
    ],
    ids=["a file", "a folder", "the record itself"],
)
def test_a_run_says_once_that_an_output_has_the_name_of_the_record(main: str, warnings: int, tmp_path: Path) -> None:
    lab = Lab(tmp_path)

    lab.go(connector(tmp_path / "connector", main), LocalCompute(slots=2), sweep={"n": list(range(6))})

    told = [message for message in lab.view.messages if "an output named 'values', which is not kept" in message]
    assert len(told) == warnings


def test_the_reason_of_a_failure_is_text_whatever_was_printed(place: ComputeResource, tmp_path: Path) -> None:
    main = "head -c 3000000 /dev/zero >&2; printf 'no \\033[2Jconvergence\\377\\n' >&2; exit 3"
    lab = Lab(tmp_path)
    with pytest.raises(RunFailed) as failed:
        lab.go(connector(tmp_path, main), place, reliability=Reliability(maximum_retry=0))

    assert str(failed.value).endswith("no \ufffd[2Jconvergence\ufffd")
    assert len(str(failed.value)) < REASON_LENGTH + 100
    (run,) = lab.results.iterdir()
    assert (run / "failed_0" / "1.1.stderr").stat().st_size > 3000000


def test_a_task_that_was_killed_says_by_which_signal(place: ComputeResource, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="SIGSEGV"):
        Lab(tmp_path).go(connector(tmp_path, "kill -SEGV $$"), place, reliability=Reliability(maximum_retry=0))


def test_results_are_not_put_into_the_input(tmp_path: Path) -> None:
    (tmp_path / "project" / "initial").mkdir(parents=True)
    project = LocalStorage(path=str(tmp_path / "project"))
    lab, sample = Lab(tmp_path), connector(tmp_path / "c", "true")
    for output in (project, LocalStorage(path=str(tmp_path / "project" / "chiminey-output"))):
        with pytest.raises(InvalidRequest, match=f"the results would go into the input, {project.path}; name another folder"):
            lab.request(sample, LocalCompute(), input=project, output=output)
    beside = LocalStorage(path=str(tmp_path / "project-results"))
    assert lab.go(sample, LocalCompute(), input=project, output=beside).tasks.completed == 1
