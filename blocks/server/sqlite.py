"""A Prefect server on SQLite whose writers take turns.

Prefect begins its transactions with ``BEGIN DEFERRED``. One that reads first and then writes fails at once with "database is
locked" when another is writing in between: no patience helps it, for what it has read is old (SQLite's "Write-Ahead Logging",
section 9). Prefect's clients ask again, but a browser shows an error, and an event that an automation waits for is tried four
times within milliseconds and then lost. ``BEGIN IMMEDIATE`` waits for its turn before it reads.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

_begin_transaction = AioSqliteConfiguration.begin_transaction


def take_turns() -> None:
    """Let every transaction of a server in this process wait for its turn to write."""
    AioSqliteConfiguration.begin_transaction = _begin_immediate


@asynccontextmanager
async def _begin_immediate(
    self: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = True
) -> AsyncGenerator[AsyncSessionTransaction]:
    del with_for_update
    async with _begin_transaction(self, session, with_for_update=True) as transaction:
        yield transaction
