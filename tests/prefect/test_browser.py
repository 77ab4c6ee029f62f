"""From an empty Prefect server to results, the way a person does it: in a real browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from blocks import server
from blocks.credentials import OpenStackCredentials
from blocks.server import worker
from flows import resources
from flows.ledger import Ledger, RunRecord
from tests.engine import left_on, unix
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.prefect, pytest.mark.browser, pytest.mark.ssh, pytest.mark.timeout(900)]

CHROMIUM = Path("/usr/bin/chromium")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync")

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
        expect.set_options(timeout=60_000)
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


def picture(page: Page, name: str, folder: Path) -> None:
    """Keep a picture; CHIMINEY_PICTURES names the folder where the documentation's are renewed."""
    page.wait_for_timeout(1500)
    page.screenshot(path=Path(os.environ.get("CHIMINEY_PICTURES", folder)) / f"{name}.png", full_page=True)


def open_form(page: Page, deployment: str) -> None:
    """Find the deployment, which may be on another page of the list, and open its form."""
    page.get_by_role("link", name="Deployments").first.click()
    page.get_by_placeholder("Search deployments").fill(deployment)
    expect(page.get_by_role("link", name="espresso", exact=True)).to_be_hidden()  # a click on a list that changes is lost
    page.get_by_role("link", name=deployment, exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("link", name="Custom run").click()
    page.get_by_role("tab", name="UnixCompute").click()
    page.get_by_text("Select a block...").click()
    page.get_by_role("option", name="lab").click()


def submit(page: Page) -> None:
    """As a person does, once more when a busy server has refused; then look at the run."""
    button = page.get_by_role("button", name="Submit")
    for _ in range(5):
        button.click()
        try:
            expect(button).to_be_hidden(timeout=15_000)
        except AssertionError:
            continue
        page.get_by_role("button", name="View run").last.click()
        expect(page).to_have_url(re.compile("/runs/flow-run/"))
        return
    raise AssertionError("the form was refused five times")


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
    page.get_by_role("tab", name="OpenStackCredentials").click()
    page.get_by_text("Select a block...").click()
    page.get_by_role("option", name="campus").click()
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


def test_a_run_that_is_cancelled_by_a_click_leaves_nothing_on_its_host(
    page: Page, ledger: Ledger, host: SSHD, tmp_path: Path
) -> None:
    open_form(page, "oven")
    page.get_by_label(re.compile("^Temperature")).fill("1000")
    submit(page)
    run = record(page, ledger)
    while not any("sleep 0.5" in line for line in host.processes()):
        page.wait_for_timeout(200)

    page.get_by_role("button", name=re.compile("menu|actions|more", re.IGNORECASE)).first.click()
    page.get_by_role("menuitem", name="Cancel").click()
    picture(page, "cancel", tmp_path)
    page.get_by_role("button", name="Cancel Flow Run").click()
    assert left_on(host, 120) == []
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
