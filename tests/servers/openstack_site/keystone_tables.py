"""Make Keystone's tables, keys and administrator, as ``keystone-manage`` does, but in one process: see ``nova_tables``."""

from __future__ import annotations

import keystone.conf
from keystone.cmd import cli

from tests.servers.openstack_site.layout import REGION, Layout, here


def main(layout: Layout) -> None:
    owner = ["--keystone-user", "root", "--keystone-group", "root"]
    urls = [word for kind in ("public", "internal", "admin") for word in (f"--bootstrap-{kind}-url", layout.identity_url)]
    for command in (
        ["db_sync"],
        ["fernet_setup", *owner],
        ["credential_setup", *owner],
        ["bootstrap", "--bootstrap-password", layout.password, "--bootstrap-region-id", REGION, *urls],
    ):
        cli.main(["keystone-manage", "--config-file", f"{layout.settings}/keystone/keystone.conf", *command])
        keystone.conf.CONF.reset()


if __name__ == "__main__":
    main(here())
