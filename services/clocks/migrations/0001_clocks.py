"""Clocks as they stand and by which law, when copies were delivered, and what was said about clocks."""

from alembic import op

revision = "clocks_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables. `next_at`: when the bus next has something to say about the clock; null: nothing."""
    op.execute(
        """
        CREATE TABLE clocks (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            rule text NOT NULL,
            started_by integer NOT NULL,
            agency text NOT NULL,
            started_at timestamptz NOT NULL,
            due timestamptz NOT NULL,
            state text NOT NULL,
            stopped_by integer,
            warned integer,
            expired integer,
            annulled integer,
            next_at timestamptz,
            PRIMARY KEY (kind, exchange, rule, started_by, agency)
        ) WITH (fillfactor = 70);
        CREATE INDEX clocks_next ON clocks (next_at, kind, exchange) WHERE next_at IS NOT NULL;
        CREATE INDEX clocks_running ON clocks (kind, exchange) WHERE state = 'running';
        CREATE VIEW moments AS SELECT next_at AS at, kind, exchange FROM clocks WHERE next_at IS NOT NULL;
        CREATE TABLE delivered (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            sequence integer NOT NULL,
            agency text NOT NULL,
            at timestamptz NOT NULL,
            PRIMARY KEY (kind, exchange, sequence, agency)
        );
        CREATE TABLE said (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            id text NOT NULL,
            PRIMARY KEY (kind, exchange, id)
        );
        CREATE TABLE counted (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            law text NOT NULL
        );
        """
    )
