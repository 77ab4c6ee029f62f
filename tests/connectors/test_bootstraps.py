"""Programs that connectors install where they may, on a machine that has just started and installs something itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CONNECTORS = Path(__file__).parents[2] / "connectors"
APT_GET = """#!/bin/sh
echo "$*" >>{folder}/calls
case $* in
*install*)
    [ -e {folder}/lists ] || {{ echo "E: Unable to locate package" >&2; exit 100; }}
    /bin/cp {folder}/id {folder}/{program}
    ;;
update)
    if [ -e {folder}/locked ]; then
        /bin/rm {folder}/locked
        echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)" >&2
        exit 100
    fi
    [ ! -e {folder}/offline ] || {{ echo "E: Failed to fetch" >&2; exit 100; }}
    : >{folder}/lists
    ;;
esac
"""


@pytest.fixture(params=[("spice", "ngspice"), ("hrmc", "cc"), ("espresso", "pw.x"), ("lammps", "lmp")], ids=lambda each: each[0])
def bootstrap(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The command that prepares a machine of Debian's for a connector, with nothing on it but apt-get."""
    connector, program = request.param
    programs = {"id": "#!/bin/sh\necho 0\n", "uname": "#!/bin/sh\necho the-host\n", "sleep": "#!/bin/sh\n"}
    for name, text in (programs | {"apt-get": APT_GET.format(folder=tmp_path, program=program)}).items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return ["/usr/bin/env", f"PATH={tmp_path}", "/bin/sh", str(CONNECTORS / connector / "payload" / "bootstrap.sh")]


def updates(folder: Path) -> int:
    return (folder / "calls").read_text().splitlines().count("update")


def test_lists_that_are_locked_are_waited_for(bootstrap: list[str], tmp_path: Path) -> None:
    (tmp_path / "locked").touch()

    done = subprocess.run(bootstrap, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert updates(tmp_path) == 2


def test_without_a_network_nothing_is_waited_for(bootstrap: list[str], tmp_path: Path) -> None:
    (tmp_path / "offline").touch()

    done = subprocess.run(bootstrap, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "an administrator of it should run: apt-get install" in done.stderr
    assert updates(tmp_path) == 1
