"""The connection pool, and which of PostgreSQL's errors pass by themselves."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]

_PERMANENT = (psycopg.errors.InvalidCatalogName, psycopg.errors.InvalidPassword)


def transient(error: BaseException) -> bool:
    """Whether the same call may succeed later: the server is away, full, restarting, or saw a deadlock."""
    if isinstance(error, (PoolTimeout, PoolClosed, psycopg.InterfaceError)):
        return True
    return isinstance(error, psycopg.OperationalError) and not isinstance(error, _PERMANENT)


@asynccontextmanager
async def open_pool(url: str, *, size: int = 8, name: str = "liandong") -> AsyncGenerator[Pool]:
    """A pool of at most `size` connections. It opens also while the server is away; calls then fail, transient."""
    pool: Pool = AsyncConnectionPool(
        url,
        min_size=1,
        max_size=size,
        timeout=10,
        reconnect_timeout=0,
        open=False,
        check=AsyncConnectionPool.check_connection,
        kwargs={
            "application_name": name,
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "options": "-c statement_timeout=60000 -c idle_in_transaction_session_timeout=60000",
        },
    )
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close(timeout=5)
