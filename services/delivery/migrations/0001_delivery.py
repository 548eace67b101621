"""Inboxes, what each party already has of each exchange, and used tokens."""

from alembic import op

from connectors.http.tokens import TOKENS_TABLE

revision = "delivery_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE TABLE inboxes (
            agency text PRIMARY KEY,
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            last_position bigint NOT NULL DEFAULT 0
        ) WITH (fillfactor = 50);
        CREATE TABLE readers (
            agency text PRIMARY KEY,
            acked bigint NOT NULL DEFAULT 0
        ) WITH (fillfactor = 50);
        CREATE TABLE items (
            agency text NOT NULL,
            position bigint NOT NULL,
            kind text,
            exchange uuid,
            sequence integer,
            rejection bytea,
            stored timestamptz NOT NULL DEFAULT now(),
            item bytea NOT NULL,
            PRIMARY KEY (agency, position)
        );
        CREATE UNIQUE INDEX items_rejections ON items (agency, rejection) WHERE rejection IS NOT NULL;
        CREATE TABLE progress (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            agency text NOT NULL,
            sequence integer NOT NULL,
            PRIMARY KEY (kind, exchange, agency)
        ) WITH (fillfactor = 70);
        """
    )
    op.execute(TOKENS_TABLE)
