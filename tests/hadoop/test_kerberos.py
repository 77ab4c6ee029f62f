"""Logging in to Hadoop by a keytab, with a real key distribution centre; Hadoop itself asks nobody who they are here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.errors import ResourceError
from tests.engine import Lab
from tests.hadoop.site import hadoop_compute, left_in
from tests.payloads import connector
from tests.servers.farm import Farm
from tests.servers.hadoop import Hadoop
from tests.servers.kerberos import PATH, PROGRAMS, REALM, Kerberos
from tests.servers.ports import free_port
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.hadoop, pytest.mark.ssh, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def kerberos(tmp_path: Path) -> Iterator[Kerberos]:
    if missing := [program for program in PROGRAMS if not shutil.which(program, path=PATH)]:
        pytest.skip(f"needs {', '.join(missing)}: install krb5-kdc, krb5-admin-server and krb5-user")
    realm = Kerberos(tmp_path / "kerberos", free_port())
    try:
        realm.start()
        yield realm
    finally:
        realm.stop()


@pytest.fixture
def secured(farm: Farm, hadoop: Hadoop, kerberos: Kerberos) -> SSHD:
    """A gateway with the realm's configuration, and a keytab in the user's home."""
    (host,) = farm(1, bashrc="export KRB5_CONFIG=$HOME/krb5.conf\n")
    hadoop.make_gateway(host)
    (host.home / "krb5.conf").write_text(kerberos.configuration)
    (host.home / "lab.keytab").write_bytes(kerberos.add("lab"))
    return host


def test_each_task_has_a_ticket_of_its_run(hadoop: Hadoop, secured: SSHD, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    compute = hadoop_compute(secured, principal=f"lab@{REALM}", keytab="/home/lab/lab.keytab")
    assert compute.check()[2] == "YARN answers, and chooses the queue"
    result = lab.go(connector(tmp_path / "c", 'klist >"$2/ticket"\n'), compute)
    ticket = (lab.folder(result) / "output_0/1/ticket").read_text()
    assert f"Default principal: lab@{REALM}" in ticket
    assert f".chiminey/{result.run_id}/krb5cc" in ticket
    assert left_in(hadoop, secured) == []


def test_a_keytab_that_is_refused_is_told_before_anything_is_sent(hadoop: Hadoop, secured: SSHD) -> None:
    sentence = f"Kerberos refuses the keytab /home/lab/lab.keytab of me@{REALM}: .*Keytab contains no suitable keys"
    with pytest.raises(ResourceError, match=sentence):
        hadoop_compute(secured, principal=f"me@{REALM}", keytab="/home/lab/lab.keytab").check()
