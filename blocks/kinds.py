"""The kinds of compute resource and of credentials by name; ``blocks.compute`` and ``blocks.credentials`` have the classes.

Those bring Prefect along when they are imported.
"""

COMPUTE = ("local", "unix", "slurm", "pbs", "gridengine", "cloud")
CREDENTIALS = ("ec2", "openstack", "libcloud")
