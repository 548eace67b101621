"""The outbox: messages that were decided in a transaction and leave for Kafka after it, in order, at least once."""

from collections.abc import Sequence

from psycopg import sql

from connectors.kafka.producer import Message, Producer
from connectors.postgres.pool import Connection, Pool


class Outbox:
    """The outbox of one schema. Each row has an owner; the rows of one owner leave in the order they came."""

    def __init__(self, schema: str, pool: Pool, producer: Producer) -> None:
        self._table = sql.Identifier(schema, "outbox")
        self._pool = pool
        self._producer = producer

    async def add(self, connection: Connection, owned: Sequence[tuple[str, Message]]) -> list[int]:
        """Add messages in the caller's transaction; return their row ids, in order."""
        if not owned:
            return []
        query = sql.SQL(
            "INSERT INTO {} (owner, topic, key, value)"
            " SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::bytea[]) RETURNING id"
        ).format(self._table)
        columns = (
            [owner for owner, _ in owned],
            [message.topic for _, message in owned],
            [message.key for _, message in owned],
            [message.value for _, message in owned],
        )
        rows = await (await connection.execute(query, columns)).fetchall()
        return [row[0] for row in rows]

    async def publish(self, ids: Sequence[int], messages: Sequence[Message]) -> None:
        """Send messages that are in the outbox and take them out. Raises KafkaUnavailable; they stay then."""
        if not ids:
            return
        await self._producer.send_all(messages)
        async with self._pool.connection() as connection:
            await connection.execute(sql.SQL("DELETE FROM {} WHERE id = ANY(%s)").format(self._table), (list(ids),))

    async def drain(self, owner: str, *, limit: int = 1000) -> int:
        """Publish what an owner left behind, in order; return how many. Raises KafkaUnavailable."""
        query = sql.SQL("SELECT id, topic, key, value FROM {} WHERE owner = %s ORDER BY id LIMIT %s").format(
            self._table
        )
        total = 0
        while True:
            async with self._pool.connection() as connection:
                rows = await (await connection.execute(query, (owner, limit))).fetchall()
            messages = [Message(topic=topic, key=key, value=value) for _, topic, key, value in rows]
            await self.publish([row[0] for row in rows], messages)
            total += len(rows)
            if len(rows) < limit:
                return total

    async def sweep(self, owner: str, *, limit: int = 1000) -> int:
        """Publish what lies here of an owner, whoever left it, and nobody else is publishing now; return how many.

        For messages whose order does not matter: several workers may sweep at once, each its own rows. Raises
        KafkaUnavailable; they stay then.
        """
        select = sql.SQL(
            "SELECT id, topic, key, value FROM {} WHERE owner = %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
        ).format(self._table)
        delete = sql.SQL("DELETE FROM {} WHERE id = ANY(%s)").format(self._table)
        total = 0
        while True:
            async with self._pool.connection() as connection:
                rows = await (await connection.execute(select, (owner, limit))).fetchall()
                if rows:
                    await self._producer.send_all(
                        [Message(topic=topic, key=key, value=value) for _, topic, key, value in rows]
                    )
                    await connection.execute(delete, ([row[0] for row in rows],))
            total += len(rows)
            if len(rows) < limit:
                return total
