"""Storage resources: where input comes from and results go."""

from blocks.storage.local import LocalStorage
from blocks.storage.object import ObjectStorage
from blocks.storage.resource import StorageResource, joined
from blocks.storage.sftp import SFTPStorage

__all__ = ["LocalStorage", "ObjectStorage", "SFTPStorage", "StorageResource", "joined"]
