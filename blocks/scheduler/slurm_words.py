"""What Slurm says, and what it means: refusals, states and ends of jobs, and reasons to wait (job_reason_codes.html)."""

from __future__ import annotations

import re

from blocks.scheduler.dialect import State
from blocks.work import Cause

WORDS = (
    ("oom-kill", Cause.MEMORY),
    ("oom_kill", Cause.MEMORY),  # as of 21.08 on
    ("memory limit", Cause.MEMORY),
    ("DUE TO TIME LIMIT", Cause.TIME),
    ("DUE TO PREEMPTION", Cause.PREEMPTED),
    ("DUE TO NODE FAILURE", Cause.NODE),
)
# The limit that a job exceeds is named before a sentence which speaks of all of them, and of that on submissions among them.
LIMIT = re.compile(r"error:\s*((?:QOS|Assoc|Max|Grp)\w+)")
FULL_OF_JOBS = re.compile(r"(Max|Grp)Submit")
FULL = re.compile(r"job submit limit|temporarily unable to accept job|Resource temporarily unavailable")
AWAY = re.compile(
    r"Unable to contact slurm controller|Socket timed out|Connection (refused|timed out|reset)|Zero Bytes|"
    r"Communication \w+ failure|Message (send|receive) failure|standby mode"
)
# How a job ended, where that was not its own doing.
CAUSES = {
    "TIMEOUT": Cause.TIME,
    "DEADLINE": Cause.TIME,
    "OUT_OF_MEMORY": Cause.MEMORY,
    "NODE_FAIL": Cause.NODE,
    "BOOT_FAIL": Cause.NODE,
    "PREEMPTED": Cause.PREEMPTED,
    "CANCELLED": Cause.CANCELLED,
}
# Every other state is that of a job which is not over: later versions have some that are not here.
STATES: dict[str, State] = {
    **dict.fromkeys(
        ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"), "pending"
    ),
    **dict.fromkeys(("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT"), "running"),
    **dict.fromkeys(("COMPLETED", "FAILED", "REVOKED", "LAUNCH_FAILED", "RECONFIG_FAIL", *CAUSES), "over"),
}
HOPELESS = frozenset(
    {
        "DependencyNeverSatisfied",
        "PartitionTimeLimit",
        "QOSMaxWallDurationPerJobLimit",
        "QOSMaxCpuPerJobLimit",
        "QOSMaxNodePerJobLimit",
        "QOSMaxMemoryPerJob",
        "QOSMinCpuNotSatisfied",
        "AssocMaxWallDurationPerJobLimit",
        "AssocMaxCpuPerJobLimit",
        "AssocMaxNodePerJobLimit",
        "AssocMaxMemPerJob",
    }
)
# These are also given while nodes are down or drained, or while the accounting is not there.
DOUBTFUL = frozenset(
    {
        "PartitionNodeLimit",
        "PartitionConfig",
        "BadConstraints",
        "InvalidAccount",
        "InvalidQOS",
        "AssociationNotAllowed",
        "AccountNotAllowed",
        "QOSNotAllowed",
    }
)
# A node could not begin it, for its prologue failed. Versions have blanks or underscores in it.
NOT_LAUNCHED = "launch_failed_requeued_held"
