"""One connection to the ledger's database: SQLite with full sync by default, PostgreSQL by URL.

Plain DB-API on purpose: importing SQLAlchemy costs several times what ``chiminey jobs`` may take as a whole, and a few dozen
statements that both databases understand need no translation beyond the mark of a parameter.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from blocks.errors import ChimineyError
from blocks.home import home
from flows.ledger.schema import TABLES, VERSION

Parameters = Mapping[str, object]
Row = dict[str, Any]

BUSY_SECONDS = 30.0
_MAKING_TABLES = 0x4368696D  # the number of the lock of whoever makes them
_PARAMETER = re.compile(r":([a-z_]+)")
_CLOCK = "clock()"
_CLOCK_OF_POSTGRESQL = "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


class LedgerUnavailable(ChimineyError):
    """The ledger's database can't be reached or used."""

    exit_code = 4
    transient = True


def default_url() -> str:
    """``CHIMINEY_LEDGER``, or a file in the user's own folder."""
    return os.environ.get("CHIMINEY_LEDGER") or f"sqlite:///{home()}/ledger.db"


class Database:
    """Transactions on one connection, one at a time; may be shared by threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.RLock()
        self._postgresql = url.startswith(("postgresql://", "postgres://"))
        if not self._postgresql and not url.startswith("sqlite:///"):
            raise LedgerUnavailable(
                f"the ledger's address must start with sqlite:/// or postgresql://, not {url.partition(':')[0]}:"
            )
        self._connection: Any = self._connect()
        with self.transaction() as execute:
            if self._postgresql:  # of two that make the same table at once, one fails there
                execute(f"SELECT pg_advisory_xact_lock({_MAKING_TABLES})")
            execute(TABLES[0])
            _check_version(execute)
            for table in TABLES[1:]:
                execute(table)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Generator[Execute]:
        """Statements that take effect together or not at all, and only if nobody else writes in between.

        Raises:
            LedgerUnavailable: the database can't do it now. What is wrong with a statement itself is raised as the driver has it.
        """
        with self._lock:
            try:
                try:
                    cursor = self._begin()
                    yield Execute(cursor, self._postgresql)
                    cursor.execute("COMMIT")
                except BaseException:  # a Ctrl-C may come right behind BEGIN too
                    self._roll_back()
                    raise
                cursor.close()
            except Exception as error:
                if not self._is_away(error):
                    raise
                advice = "" if self._postgresql else "; is its disk full or its folder read-only?"
                raise LedgerUnavailable(f"the ledger can't be written: {' '.join(str(error).split())}{advice}") from error

    def select(self, statement: str, /, **parameters: object) -> list[Row]:
        """The rows that one statement finds, in a transaction of its own. Raises LedgerUnavailable."""
        with self.transaction() as execute:
            return execute(statement, parameters)

    def _begin(self) -> Any:
        begin = "BEGIN" if self._postgresql else "BEGIN IMMEDIATE"
        try:
            cursor = self._connection.cursor()
            cursor.execute(begin)
        except Exception as error:
            if not self._postgresql:
                raise
            self._connection = self._connect(error)  # the server closed an idle connection: once more on a new one
            cursor = self._connection.cursor()
            cursor.execute(begin)
        return cursor

    def _roll_back(self) -> None:
        with suppress(Exception):  # the database has undone it by itself, or is gone: what led to that is what is raised
            self._connection.execute("ROLLBACK")

    def _is_away(self, error: Exception) -> bool:
        """Whether it is the database's state that the driver tells of: a full disk, a lost connection, a damaged file."""
        if self._postgresql:
            import psycopg

            return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
            return False
        code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # absent when Python's own module complains
        return code & 0xFF != sqlite3.SQLITE_ERROR  # which is that of a mistake in a statement

    def _connect(self, cause: Exception | None = None) -> Any:
        return self._connect_postgresql(cause) if self._postgresql else self._connect_sqlite()

    def _connect_sqlite(self) -> sqlite3.Connection:
        path = Path(self._url.removeprefix("sqlite:///")).expanduser()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            connection.row_factory = _dictionary
            connection.create_function("clock", 0, time.time)
            _wal(connection)
            connection.execute("PRAGMA synchronous=FULL")
        except (OSError, sqlite3.Error) as error:
            raise LedgerUnavailable(f"the ledger {path} can't be opened: {error}") from error
        return connection

    def _connect_postgresql(self, cause: Exception | None) -> Any:
        try:
            import psycopg
            from psycopg.rows import dict_row
        except ImportError as error:
            raise LedgerUnavailable("a ledger on PostgreSQL needs: pip install 'chiminey[postgresql]'") from error
        if not _is_well_formed(self._url):  # what the driver says of it quotes parts of the password
            raise LedgerUnavailable(
                "the ledger's address is no well-formed URL; it is postgresql://user:password@host:port/database, where special "
                "characters of the password are percent-encoded, such as %40 for @, %25 for % and %2F for /"
            )
        try:
            return psycopg.connect(self._url, autocommit=True, row_factory=cast(Any, dict_row))
        except psycopg.Error as error:
            reason = str(error).splitlines()[0]
            raise LedgerUnavailable(f"the ledger's PostgreSQL server can't be reached: {reason}") from (cause or error)


class Execute:
    """Runs statements of one transaction; parameters are written ``:name``.

    ``clock()`` is the database's own time (seconds since the epoch), the one that all machines which share it agree on.
    """

    def __init__(self, cursor: Any, postgresql: bool) -> None:
        self._cursor = cursor
        self._postgresql = postgresql
        self.changed = 0  # rows of the last statement

    def __call__(self, statement: str, parameters: Parameters | None = None) -> list[Row]:
        """Run one statement and give its rows."""
        self._cursor.execute(self._marked(statement), parameters or {})
        self.changed = self._cursor.rowcount
        return self._cursor.fetchall() if self._cursor.description else []

    def many(self, statement: str, parameters: Sequence[Parameters]) -> None:
        """Run one statement for each set of parameters."""
        if parameters:
            self._cursor.executemany(self._marked(statement), parameters)

    def _marked(self, statement: str) -> str:
        return _PARAMETER.sub(r"%(\1)s", statement).replace(_CLOCK, _CLOCK_OF_POSTGRESQL) if self._postgresql else statement


def _check_version(execute: Execute) -> None:
    versions = execute("SELECT version FROM ledger")
    if not versions:
        execute(
            "INSERT INTO ledger (version, installation) VALUES (:version, :installation)",
            {"version": VERSION, "installation": uuid.uuid4().hex[:12]},
        )
    elif versions[0]["version"] > VERSION:
        raise LedgerUnavailable("the ledger was written by a newer Chiminey; update this one")
    elif versions[0]["version"] < VERSION:
        raise LedgerUnavailable("the ledger was written by an older Chiminey, and this one can't read it; move it away")


def _is_well_formed(url: str) -> bool:
    """Whether a PostgreSQL URL can be read, and no part of its password is taken for a host, a port or a database."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return False
    spilt = any("@" in str(parts.get(part, "")) for part in ("host", "port", "dbname"))
    return not spilt and re.fullmatch("[0-9,]*", str(parts.get("port", ""))) is not None


def _dictionary(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _wal(connection: sqlite3.Connection) -> None:
    """Readers beside a writer. Switching needs the file for itself for a moment, and SQLite does not wait for that by itself."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
