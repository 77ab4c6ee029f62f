"""What is in the folder of a run, deposited and unpacked again; and what reading it costs."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session

from blocks.compute import LocalCompute
from blocks.curation.experiment import Experiment
from blocks.storage import LocalStorage, StorageResource
from blocks.tree import Entry, file, folder
from flows import deposit, references
from flows.crate.reading import opened
from flows.crate.verification import verify
from flows.curation.folder import ResultsFolder
from flows.ledger import RunRecord
from flows.request import RunRequest
from flows.result import RunResult
from tests.curation.sites import KINDS, DataverseSite, InvenioSite, Site
from tests.engine import Lab
from tests.payloads import connector
from tests.servers.s3 import S3
from tests.storage.object_storages import on_moto, with_settings
from tests.storage_contract import picture

SOLVING = '"$(dirname "$0")/solver" >"$2/answer.txt"\nln -s answer.txt "$2/latest"\nmkdir "$2/empty"\n'
LONG_AGO = 'touch -d @1600000000 "$2/answer.txt"\n'
SOLVER = b"#!/bin/sh\necho 42\n"
MEGABYTE = 1 << 20
SMALL, LARGE = 60, 8  # files


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = InvenioSite(tmp_path / "repository")
    site.server.start()
    yield site
    site.resource.close()
    site.server.stop()


def run_that_solves(lab: Lab, tmp_path: Path, then: str = "") -> RunResult:
    sample = connector(tmp_path / "connector", SOLVING + then, files={"solver": SOLVER})
    (tmp_path / "connector" / "payload" / "process_payload" / "solver").chmod(0o755)
    return lab.go(sample, LocalCompute(), sweep={"k": [1, 2]})


def told(storage: StorageResource, name: str, title: str = "") -> Experiment:
    """A run as a repository is told of it."""
    compute, output = references.reference(LocalCompute()), references.location(LocalStorage(), "")
    request = RunRequest(connector="sample", inputs={}, compute=compute, output=output)
    record = RunRecord(name.rpartition("-")[2], name, "sample", request.model_dump_json())
    return deposit.experiment(record, ResultsFolder(storage, name), "A run.", deposit.Words(title))


def deposited(site: Site, storage: StorageResource, name: str, target: Path) -> LocalStorage:
    """The folder of a run as it is after it was sent, fetched and unpacked."""
    made = site.resource.publish(told(storage, name), "", {})
    archive = target.with_suffix(".zip")
    archive.write_bytes(site.content(made.identifier, f"{name}.zip"))
    subprocess.run(["unzip", "-q", archive, "-d", target], check=True)
    return LocalStorage(path=str(target))


def test_an_unpacked_deposit_has_the_permissions_links_and_empty_folders_of_the_run(site: Site, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    name = run_that_solves(lab, tmp_path).name
    copy = deposited(site, lab.storage, name, tmp_path / "copy")

    def kept(storage: StorageResource, folder: str) -> dict[str, Any]:
        found = picture(storage.tree(folder)).items()
        return {path: (kind, mode, content) for path, (kind, mode, _, content) in found if path.partition("/")[0] != "output"}

    there = kept(copy, "")
    assert there == kept(lab.storage, name)
    assert {each[0] for each in there.values()} == {"file", "folder", "link"}
    solver = tmp_path / "copy" / "connector" / "payload" / "process_payload" / "solver"
    assert subprocess.run([solver], check=True, capture_output=True).stdout == b"42\n"


@pytest.mark.parametrize("has_links", [False, True], ids=["on a disk", "as over SFTP"])
def test_a_deposit_holds_the_last_outputs_once_and_is_what_its_crate_says(site: Site, tmp_path: Path, has_links: bool) -> None:
    lab = Lab(tmp_path)
    name = run_that_solves(lab, tmp_path).name
    if has_links:
        shutil.rmtree(lab.results / name / "output")
        (lab.results / name / "output").symlink_to("output_0")
    assert (lab.results / name / "output" / "1" / "answer.txt").is_file()
    copy = deposited(site, lab.storage, name, tmp_path / "copy")

    assert (tmp_path / "copy" / "output").readlink() == Path("output_0")
    assert (tmp_path / "copy" / "output" / "1" / "answer.txt").read_text() == "42\n"
    found = verify(opened(copy, ""))
    assert (found.ok, found.missing, found.changed, found.extra) == (True, [], [], [])


def test_what_somebody_has_put_beside_the_last_outputs_is_deposited_too(site: Site, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    name = run_that_solves(lab, tmp_path).name
    (lab.results / name / "output" / "plot.png").write_bytes(b"a plot")
    deposited(site, lab.storage, name, tmp_path / "copy")
    assert (tmp_path / "copy" / "output" / "plot.png").read_bytes() == b"a plot"
    assert (tmp_path / "copy" / "output" / "1" / "answer.txt").read_text() == "42\n"


@pytest.mark.parametrize("place", ["on a disk", "in a bucket"])
def test_what_somebody_has_changed_in_the_last_outputs_is_deposited_as_it_is_now_though_it_is_as_long(
    site: Site, s3: S3, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path)
    if place == "in a bucket":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
        lab.storage = with_settings(on_moto(s3), access_key="", secret_key=None)
    name = run_that_solves(lab, tmp_path, then=LONG_AGO).name
    lab.storage.write(f"{name}/output/1/answer.txt", b"43\n")

    deposited(site, lab.storage, name, tmp_path / "copy")

    assert (tmp_path / "copy" / "output" / "1" / "answer.txt").read_text() == "43\n"
    assert (tmp_path / "copy" / "output_0" / "1" / "answer.txt").read_text() == "42\n"


def test_last_outputs_that_differ_by_their_times_only_are_deposited_once(site: Site, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    name = run_that_solves(lab, tmp_path, then=LONG_AGO).name
    lab.storage.write(f"{name}/output/1/answer.txt", b"42\n")
    deposited(site, lab.storage, name, tmp_path / "copy")
    assert (tmp_path / "copy" / "output").readlink() == Path("output_0")


def test_links_that_lead_out_of_the_folder_are_left_out(site: Site, tmp_path: Path) -> None:
    storage = LocalStorage(path=str(tmp_path / "results"))
    outside = {"absolute": "/etc/passwd", "above": "../../elsewhere", "itself": "../sample-1/a"}
    inside = {"beside": "a", "deep/above": "../a", "nowhere": "nothing/like/it"}
    links = [Entry(path, "link", target=target) for path, target in {**outside, **inside}.items()]
    storage.store("sample-1", [file("a", b"1"), *links])
    copy = deposited(site, storage, "sample-1", tmp_path / "copy")
    assert {entry.path for entry in copy.tree("")} == {"a", "deep", *inside}


def test_a_title_is_one_line(tmp_path: Path) -> None:
    assert told(LocalStorage(path=str(tmp_path)), "sample-1", " Water\n & ice\t").title == "Water & ice"


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_in_a_bucket_is_read_by_few_requests_for_each_file(
    s3: S3, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = on_moto(s3)
    small = [file(f"output_0/{number}/result.json", b"{}") for number in range(SMALL)]
    large = [Entry(f"output_0/{number}/field", "file", size=5 * MEGABYTE, content=bytes(5 * MEGABYTE)) for number in range(LARGE)]
    storage.store("sample-1", [file("ro-crate-metadata.json", b'{"@graph": []}'), folder("output_0"), *small, *large])
    site = KINDS[kind](tmp_path)
    site.server.start()
    asked = Counter[str]()
    received = 0
    send = URLLib3Session.send

    def counting(session: Any, request: Any) -> Any:
        nonlocal received
        answer = send(session, request)
        asked[request.method] += 1
        received += int(answer.headers.get("Content-Length") or 0) if request.method == "GET" else 0
        return answer

    monkeypatch.setattr(URLLib3Session, "send", counting)
    site.resource.publish(told(storage, "sample-1"), "", {})
    site.resource.close()
    site.server.stop()
    storage.close()

    assert asked.total() < 3 * SMALL + 6 * LARGE + 20, asked
    assert received < 1.1 * LARGE * 5 * MEGABYTE
    assert isinstance(site, DataverseSite) or site.sends() == 2
