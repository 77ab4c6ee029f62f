"""A real Kerberos key distribution centre on the loopback device."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

REALM = "LAB.TEST"
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # where servers are, for whom it is not
PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")

CLIENT = """
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    rdns = false
[realms]
    {realm} = {{
        kdc = {address}
    }}
"""
SERVER = """
[kdcdefaults]
    kdc_listen = {address}
    kdc_tcp_listen = {address}
[realms]
    {realm} = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
    }}
"""


class Kerberos:
    """One realm. ``configuration`` is the text of a krb5.conf for its clients."""

    def __init__(self, folder: Path, port: int) -> None:
        """Lay out the realm in a folder of its own; nothing runs before ``start``."""
        folder.mkdir(parents=True)
        address = f"127.0.0.1:{port}"
        self.configuration = CLIENT.format(realm=REALM, address=address)
        self._folder = folder
        (folder / "krb5.conf").write_text(self.configuration)
        (folder / "kdc.conf").write_text(SERVER.format(realm=REALM, address=address, folder=folder))
        self._environment = {
            **os.environ,
            "KRB5_CONFIG": str(folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
            "PATH": PATH,
        }
        self._server: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Make the database and start the server."""
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "of the tests only")
        self._server = subprocess.Popen(
            ["krb5kdc", "-n"], env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._server.stdout
        while "starting" not in (line := self._server.stdout.readline()):
            if not line:
                raise RuntimeError("the key distribution centre did not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the server."""
        if self._server:
            with self._server:
                self._server.terminate()
            self._server = None

    def add(self, user: str) -> bytes:
        """Make a principal, and give the content of a keytab with its keys."""
        keytab = self._folder / f"{user}.keytab"
        self._run("kadmin.local", "addprinc", "-randkey", f"{user}@{REALM}")
        self._run("kadmin.local", "ktadd", "-k", str(keytab), f"{user}@{REALM}")
        return keytab.read_bytes()

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self._environment, check=True, capture_output=True)
