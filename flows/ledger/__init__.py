"""The ledger: runs, hosts, batches and tasks, and the lease that lets one controller at a time own a run."""

from flows.ledger.lease import Lease
from flows.ledger.ledger import Ledger
from flows.ledger.records import HostRecord, PayloadTask, RunRecord, RunStatus

__all__ = ["HostRecord", "Lease", "Ledger", "PayloadTask", "RunRecord", "RunStatus"]
