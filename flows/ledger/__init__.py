"""The ledger: runs, hosts and tasks, and the lease that lets one controller at a time own a run."""

from flows.ledger.curations import CurationRecord
from flows.ledger.lease import Lease
from flows.ledger.ledger import Ledger
from flows.ledger.records import HostRecord, PayloadTask, RunRecord, RunStatus, is_completed

__all__ = ["CurationRecord", "HostRecord", "Lease", "Ledger", "PayloadTask", "RunRecord", "RunStatus", "is_completed"]
