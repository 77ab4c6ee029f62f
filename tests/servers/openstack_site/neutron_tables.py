"""Make Neutron's tables from its models: its own way there, dozens of migrations, takes a minute."""

from __future__ import annotations

from neutron.db.migration.models import head
from sqlalchemy import create_engine

from tests.servers.openstack_site.layout import here

if __name__ == "__main__":
    head.get_metadata().create_all(create_engine(here().database("neutron")))
