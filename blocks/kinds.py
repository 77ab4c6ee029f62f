"""The kinds of compute resource, of credentials and of repositories by name; the classes are in folders of these names.

Those bring Prefect along when they are imported.
"""

COMPUTE = ("local", "unix", "slurm", "pbs", "gridengine", "cloud", "hadoop")
CREDENTIALS = ("ec2", "openstack", "libcloud")
CURATION = ("mytardis",)
DEPOSIT = ("zenodo", "invenio", "dataverse")
