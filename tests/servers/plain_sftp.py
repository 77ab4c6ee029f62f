"""An SFTP server that is no OpenSSH: it has no shell, and knows no more of files than many a gateway to a store of objects.

Permissions and times can't be set, nothing takes the place of something else, and a request gives 64 KB of a file, as with
OpenSSH before 8.5.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import paramiko
from paramiko import AUTH_SUCCESSFUL, OPEN_SUCCEEDED, SFTP_OK, SFTP_OP_UNSUPPORTED, SFTPAttributes, SFTPHandle, SFTPServer

MOST_READ = 65_536  # bytes


class PlainSFTP:
    """A server for the files below ``folder``, whoever logs in. ``refused`` counts how often attributes were to be set."""

    def __init__(self, folder: Path, version: str = "plain") -> None:
        self.folder = folder
        self.version = version
        self.refused = 0
        self.key = paramiko.ECDSAKey.generate()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._transports = list[paramiko.Transport]()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def host_key_line(self) -> str:
        return f"[127.0.0.1]:{self._listener.getsockname()[1]} {self.key.get_name()} {self.key.get_base64()}"

    def stop(self) -> None:
        self._listener.close()
        for transport in self._transports:
            transport.close()

    def _serve(self) -> None:
        while self._listener.fileno() >= 0:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # it was closed
                return
            transport = paramiko.Transport(connection)
            transport.local_version = f"SSH-2.0-{self.version}"
            transport.add_server_key(self.key)
            transport.set_subsystem_handler("sftp", SFTPServer, _Files, self)
            transport.start_server(server=_Doorkeeper())
            self._transports.append(transport)


class _Doorkeeper(paramiko.ServerInterface):
    """Lets everybody in, to nothing but SFTP."""

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED


class _Handle(SFTPHandle):
    _asked = False

    def read(self, offset: int, length: int) -> bytes | int:
        # The first answer comes when all requests for a piece have been made: paramiko takes no request on the way for the end.
        time.sleep(0.005 if self._asked else 0.5)
        self._asked = True
        return super().read(offset, min(length, MOST_READ))

    def stat(self) -> SFTPAttributes:
        return SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))  # pyright: ignore[reportAttributeAccessIssue]


class _Files(paramiko.SFTPServerInterface):
    """What may be done with files."""

    def __init__(self, server: paramiko.ServerInterface, site: PlainSFTP) -> None:
        super().__init__(server)
        self._site = site

    def _place(self, path: str) -> Path:
        return self._site.folder / os.path.normpath(f"/{path}").lstrip("/")

    def list_folder(self, path: str) -> list[SFTPAttributes] | int:
        try:
            return [SFTPAttributes.from_stat(each.lstat(), each.name) for each in self._place(path).iterdir()]
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)

    def stat(self, path: str) -> SFTPAttributes | int:
        try:
            return SFTPAttributes.from_stat(self._place(path).stat())
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)

    def lstat(self, path: str) -> SFTPAttributes | int:
        return self.stat(path)

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> SFTPHandle | int:
        try:
            descriptor = os.open(self._place(path), flags, 0o644)
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)
        handle = _Handle(flags)
        opened = os.fdopen(descriptor, "r+b" if flags & (os.O_WRONLY | os.O_RDWR) else "rb", 0)
        handle.readfile = handle.writefile = opened  # pyright: ignore[reportAttributeAccessIssue]
        return handle

    def mkdir(self, path: str, attr: SFTPAttributes) -> int:
        return self._done(lambda: self._place(path).mkdir())

    def rmdir(self, path: str) -> int:
        return self._done(lambda: self._place(path).rmdir())

    def remove(self, path: str) -> int:
        return self._done(lambda: self._place(path).unlink())

    def rename(self, oldpath: str, newpath: str) -> int:
        if self._place(newpath).exists():
            return SFTPServer.convert_errno(17)
        return self._done(lambda: self._place(oldpath).rename(self._place(newpath)))

    def chattr(self, path: str, attr: SFTPAttributes) -> int:
        self._site.refused += 1
        return SFTP_OP_UNSUPPORTED

    def _done(self, act: Callable[[], object]) -> int:
        try:
            act()
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)
        return SFTP_OK
