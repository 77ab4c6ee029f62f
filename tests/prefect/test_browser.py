"""From an empty Prefect server to results, the way a person does it: in a real browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright
from prefect.client.orchestration import get_client
from pydantic import SecretStr

from blocks import server
from blocks.compute.unix import UnixCompute
from blocks.credentials import OpenStackCredentials
from blocks.curation.mytardis import MyTardis
from blocks.home import home
from blocks.server import worker
from flows import resources
from flows.ledger import Ledger, RunRecord
from tests.engine import left_on, unix
from tests.files import contents
from tests.servers.mytardis import ALICE, MyTardisServer
from tests.servers.s3 import S3
from tests.servers.sshd import SSHD
from tests.storage.object_storages import on_moto

pytestmark = [pytest.mark.prefect, pytest.mark.browser, pytest.mark.ssh]

CHROMIUM = Path("/usr/bin/chromium")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync")

SECRET = "Mark-6d2c-secret"

OVEN = """
name = "oven"
description = "Bakes clay, and weighs what is left of it."
arguments = ["temperature"]

[inputs.temperature]
type = "integer"
default = 20
title = "Temperature"
description = "In degrees Celsius."
"""

MAIN = """
[ "$3" -lt 1000 ] || until [ -e "$HOME/open" ]; do sleep 0.5; done
echo "{\\"mass\\": $((2000 - $3))}" >"$2/result.json"
"""


def chiminey(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cli", *words], capture_output=True, text=True, timeout=300, check=True)


@pytest.fixture(scope="module")
def page(embedded_server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser, logged in, with the server and a worker up, which know a connector of the person's own."""
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium: apt-get install chromium")
    folder = tmp_path_factory.mktemp("own")
    process = folder / "oven" / "payload" / "process_payload"
    process.mkdir(parents=True)
    (folder / "oven" / "connector.toml").write_text(OVEN)
    (process / "main.sh").write_text(MAIN)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("CHIMINEY_PATH", str(folder))
        chiminey("up")
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*QUIET, "--disable-component-update"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(180_000)
        expect.set_options(timeout=250_000)
        page.goto(server.url())
        page.get_by_placeholder("admin:pass").fill(server.password())
        page.get_by_role("button", name="Login").click()
        yield page
        browser.close()
        worker.stop(10)


@pytest.fixture
def host(hosts: list[SSHD]) -> SSHD:
    """A host that is saved as the resource ``lab``."""
    resources.save("lab", unix(hosts[0], slots=2))
    return hosts[0]


@pytest.fixture
def ledger(page: Page) -> Iterator[Ledger]:
    ledger = Ledger()
    yield ledger
    ledger.close()


@pytest.fixture
def mytardis() -> Iterator[MyTardisServer]:
    server = MyTardisServer(verification=0.05)
    yield server
    server.stop()


def picture(page: Page, name: str, folder: Path) -> None:
    """Keep a picture; CHIMINEY_PICTURES names the folder where the documentation's are renewed."""
    page.wait_for_timeout(1500)
    page.screenshot(path=Path(os.environ.get("CHIMINEY_PICTURES", folder)) / f"{name}.png", full_page=True)


def open_form(page: Page, deployment: str) -> None:
    """Find the deployment, which may be on another page of the list, open its form, and choose the host."""
    page.goto(f"{server.url()}/v2/deployments")  # whatever the test before has left open
    page.get_by_placeholder("Search deployments").fill(deployment)
    expect(page.get_by_role("link", name="espresso", exact=True)).to_be_hidden()  # a click on a list that changes is lost
    page.get_by_role("link", name=deployment, exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("link", name="Custom run").click()
    choose(page, page.get_by_role("tab", name="UnixCompute"), "lab")


def choose(page: Page, kind: Locator, name: str) -> None:
    """Choose a saved resource of a kind, in a form in which no other is still to be chosen."""
    kind.click()
    page.get_by_text("Select a block...").click()
    page.get_by_role("option", name=name, exact=True).click()


def submit(page: Page) -> None:
    """As a person does, once more when a busy server has refused; then look at the run."""
    button = page.get_by_role("button", name="Submit")
    button.click()
    for _ in range(2):
        try:
            expect(button).to_be_hidden(timeout=120_000)
        except AssertionError:
            if button.is_visible():
                button.click()
            continue
        page.get_by_role("button", name="View run").last.click()
        expect(page).to_have_url(re.compile("/runs/flow-run/"))
        return
    raise AssertionError("the form was refused")


def pick(page: Page, item: str) -> None:
    """An item of the page's menu, which has it as soon as the page has heard that the run is at work."""
    for _ in range(6):
        page.get_by_role("button", name=re.compile("menu|actions|more", re.IGNORECASE)).first.click()
        try:
            expect(page.get_by_role("menuitem", name=item)).to_be_visible(timeout=20_000)
        except AssertionError:
            page.reload()
            continue
        page.get_by_role("menuitem", name=item).click()
        return
    raise AssertionError(f"there is no {item} in the menu")


def ended(page: Page, state: str) -> Locator:
    return page.get_by_text(state, exact=True).first


def record(page: Page, ledger: Ledger) -> RunRecord:
    """The run that the page shows."""
    flow_run = page.url.partition("/flow-run/")[2][:36]
    while not (found := ledger.of_flow_run(flow_run)):
        page.wait_for_timeout(200)
    return found


def await_artifact(page: Page, description: str) -> None:
    """Look at a run's artifacts, which the page asks for when it is opened, until one has the description."""
    for _ in range(60):
        page.get_by_role("tab", name="Artifacts").click()
        try:
            expect(page.get_by_text(description)).to_be_visible(timeout=5_000)
        except AssertionError:
            page.reload()
            continue
        return
    raise AssertionError(f"no artifact says: {description}")


def look_at(page: Page, artifact: str) -> None:
    """Open an artifact from the run's page: first what has its name, then the newest of these."""
    page.get_by_text(re.compile(f"-{artifact}$")).first.click()
    page.locator("a[href*='/artifacts/artifact/']").first.click()


def test_a_connector_is_run_from_its_form_on_a_saved_host(page: Page, ledger: Ledger, host: SSHD, tmp_path: Path) -> None:
    open_form(page, "spice")
    expect(page.get_by_text("In ohms.")).to_be_visible()
    page.get_by_label(re.compile("^Resistance")).fill("2000")
    picture(page, "form", tmp_path)
    submit(page)

    expect(ended(page, "Completed")).to_be_visible(timeout=300_000)
    picture(page, "run", tmp_path)
    page.get_by_role("tab", name="Artifacts").click()
    expect(page.get_by_text("How the run ended").first).to_be_visible()
    picture(page, "artifacts", tmp_path)

    run = record(page, ledger)
    assert run.status == "completed"
    assert '"resistance":2000' in run.request
    assert [each.address for each in ledger.hosts(run.id)] == [f"lab@{host.address}:{host.port}"]


def test_machines_of_a_cloud_are_saved_with_the_credentials_that_are_chosen_in_their_form(page: Page, tmp_path: Path) -> None:
    resources.save("campus", OpenStackCredentials(cloud="campus"))
    page.goto(f"{server.url()}/v2/blocks/catalog/cloud-compute/create")
    page.get_by_label("Name", exact=True).fill("vms")
    choose(page, page.get_by_role("tab", name="OpenStackCredentials"), "campus")
    page.get_by_label(re.compile("^Image")).fill("debian-12")
    page.get_by_label(re.compile("^Size")).fill("m1.small")
    picture(page, "cloud", tmp_path)
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("/blocks/block/"))

    (saved,) = (resource for resource in resources.saved() if resource.name == "vms")
    assert saved.block.describe() == "m1.small in campus, up to 1"  # pyright: ignore[reportAttributeAccessIssue]
    assert resources.users_of("campus") == ["vms"]
    for name in ("vms", "campus"):
        resources.remove(name)


@pytest.mark.parametrize(
    ("slug", "texts"),
    [
        ("chiminey-object-storage", {"Bucket": "results", "Access key": "AKIA"}),
        ("mytardis", {"Address": "https://mytardis.example.org", "User name": "alice"}),
        ("chiminey-zenodo", {}),
        ("chiminey-invenio", {"Address": "https://data.example.org", "Publisher": "Our Institute"}),
        ("chiminey-dataverse", {"Address": "https://data.example.org", "Collection": "lab", "Contact": "me@example.org"}),
    ],
)
def test_a_place_for_results_is_saved_in_its_form_and_its_secret_is_not_shown_again(
    page: Page, tmp_path: Path, slug: str, texts: dict[str, str]
) -> None:
    page.goto(f"{server.url()}/v2/blocks/catalog/{slug}/create")
    page.get_by_label("Name", exact=True).fill("place")
    for label, text in texts.items():
        page.get_by_label(re.compile(f"^{label}")).fill(text)
    page.locator("input[type=password]").first.fill(SECRET)  # the first secret of each is the one that is wanted
    picture(page, f"{slug}-form", tmp_path)
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("/blocks/block/"))
    expect(page.get_by_text("place", exact=True).first).to_be_visible()
    picture(page, slug, tmp_path)
    assert SECRET not in page.content()

    found = resources.find("place")
    kept = [each.get_secret_value() for _, each in found if isinstance(each, SecretStr)]
    assert kept == [SECRET]
    assert set(texts.values()) <= {each for _, each in found if isinstance(each, str)}
    resources.remove("place")


def test_a_resource_is_changed_in_its_form_and_what_was_empty_stays_so(page: Page, tmp_path: Path) -> None:
    resources.save("cell", UnixCompute(hosts=["me@lab.example.org"], password=SecretStr(SECRET)))
    block = resources.find("cell")
    page.goto(f"{server.url()}/v2/blocks/block/{block._block_document_id}/edit")  # pyright: ignore[reportPrivateUsage]
    expect(page.get_by_role("tab", name="None")).to_have_count(0)
    page.get_by_label(re.compile("^User name")).fill("you")
    picture(page, "edit", tmp_path)
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("/blocks/block/[^/]*$"))

    assert resources.find("cell") == block.model_copy(update={"username": "you"})
    resources.remove("cell")


def test_results_go_into_the_bucket_and_the_repository_that_are_chosen_in_the_form(
    page: Page, ledger: Ledger, host: SSHD, s3: S3, mytardis: MyTardisServer, tmp_path: Path
) -> None:
    bucket = on_moto(s3)
    resources.save("bucket", bucket)
    resources.save("museum", MyTardis(url=mytardis.url, username=ALICE.name, api_key=SecretStr(ALICE.api_key)))
    open_form(page, "oven")
    choose(page, page.get_by_role("tab", name="ObjectStorage").nth(1), "bucket")  # the first is that of the input
    choose(page, page.get_by_role("tab", name="MyTardis"), "museum")
    picture(page, "places", tmp_path)
    submit(page)

    expect(ended(page, "Completed")).to_be_visible(timeout=300_000)
    run = record(page, ledger)
    assert json.loads(bucket.read(f"{run.name}/output/1/result.json")) == {"mass": 1980}
    assert [each["title"].partition("/")[2] for each in mytardis.table("experiment")] == [run.name]
    assert "result.json" in {each["filename"] for each in mytardis.table("dataset_file")}
    kept = b"".join(content for path, content in contents(home()) if path.suffix != ".secret")
    assert run.name.encode() in kept, "nobody has looked"
    for secret in (s3.secret_key, ALICE.api_key):
        assert secret.encode() not in kept
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(UUID(page.url.partition("/flow-run/")[2][:36]))
    assert set(flow_run.parameters["output"]) == set(flow_run.parameters["curation"]) == {"$ref"}
    for name in ("bucket", "museum"):
        resources.remove(name)


def test_a_run_that_is_cancelled_by_a_click_leaves_nothing_on_its_host(
    page: Page, ledger: Ledger, host: SSHD, tmp_path: Path
) -> None:
    open_form(page, "oven")
    page.get_by_label(re.compile("^Temperature")).fill("1000")
    submit(page)
    run = record(page, ledger)
    while not any("sleep 0.5" in line for line in host.processes()):
        page.wait_for_timeout(200)

    pick(page, "Cancel")
    picture(page, "cancel", tmp_path)
    page.get_by_role("button", name="Cancel Flow Run").click()
    assert left_on(host, 250) == []
    expect(ended(page, "Cancelled")).to_be_visible(timeout=300_000)
    picture(page, "cancelled", tmp_path)
    rows = json.loads(chiminey("jobs", "--json").stdout)
    assert [row["state"] for row in rows if row["name"] == run.name] == ["cancelled"]


def test_progress_and_tasks_are_shown_while_the_run_is_at_work(page: Page, ledger: Ledger, host: SSHD, tmp_path: Path) -> None:
    open_form(page, "oven")
    page.get_by_label(re.compile("^Temperature")).fill("1000")
    submit(page)
    run, address = record(page, ledger), page.url
    await_artifact(page, "iteration 1: 0 of 1 tasks completed, 0 failed")
    expect(page.get_by_text("iteration 1: tasks")).to_be_visible()
    picture(page, "at-work", tmp_path)
    look_at(page, "tasks-0")
    expect(page.get_by_text("running", exact=True).first).to_be_visible()
    picture(page, "tasks", tmp_path)
    assert ledger.find(run.id).status == "running"

    (host.home / "open").touch()
    page.goto(address)
    expect(ended(page, "Completed")).to_be_visible(timeout=300_000)
    assert ledger.find(run.id).status == "completed"


def write_json(page: Page, text: str) -> None:
    """Into the first editor of the form, as one that pastes it."""
    page.locator(".cm-content").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)


def test_a_sweep_from_its_form_shows_its_results_as_a_table_and_a_plot(page: Page, host: SSHD, tmp_path: Path) -> None:
    open_form(page, "sweep-oven")
    write_json(page, '{"temperature": {"start": 100, "stop": 1000, "step": 300}}')
    picture(page, "sweep-form", tmp_path)
    submit(page)
    expect(ended(page, "Completed")).to_be_visible(timeout=300_000)
    page.get_by_role("tab", name="Artifacts").click()
    run = page.url
    look_at(page, "results")
    for mass in ("1900", "1600", "1300"):
        expect(page.get_by_text(mass, exact=True).first).to_be_visible()
    picture(page, "results", tmp_path)
    page.goto(run)
    look_at(page, "results-plot")
    plot = page.get_by_role("img", name="results")
    expect(plot).to_be_visible()
    assert plot.evaluate("image => image.naturalWidth") > 300
    picture(page, "sweep", tmp_path)
