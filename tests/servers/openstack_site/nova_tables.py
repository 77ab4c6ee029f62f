"""Make Nova's tables and its cells, as ``nova-manage`` does, but in one process: four of them would take four times as long."""

from __future__ import annotations

import sys

from nova import config, objects
from nova.cmd.manage import ApiDbCommands, CellV2Commands, DbCommands

from tests.servers.openstack_site.layout import Layout, here

# Nova fills in the rest from its configuration: a copy of the tables may be in another folder.
DATABASE = "{{scheme}}://{{username}}@{{hostname}}/{}?{{query}}"


def main(layout: Layout) -> None:
    config.parse_args([sys.argv[0], f"--config-file={layout.settings}/nova/nova.conf"])
    objects.register_all()
    ApiDbCommands().sync()
    CellV2Commands().map_cell0(DATABASE.format("nova_cell0"))
    DbCommands().sync()
    CellV2Commands().create_cell(name="cell1", database_connection=DATABASE.format("nova_cell1"))


if __name__ == "__main__":
    main(here())
