"""The kinds of compute resource by name; ``blocks.compute`` has the classes, which bring Prefect along when they are imported."""

COMPUTE = ("local", "unix", "slurm", "pbs", "gridengine")
