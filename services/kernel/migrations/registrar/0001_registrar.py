"""A registrar's store: events for ever, one outcome for each submission, and the epochs of its partitions."""

from alembic import op

revision = "registrar_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE TABLE epochs (
            partition text PRIMARY KEY,
            epoch bigint NOT NULL
        );
        CREATE TABLE events (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            sequence integer NOT NULL CHECK (sequence > 0),
            source text NOT NULL,
            id text NOT NULL,
            recordedtime timestamptz NOT NULL,
            record bytea NOT NULL,
            PRIMARY KEY (kind, exchange, sequence),
            UNIQUE (source, id)
        );
        CREATE INDEX events_in_order ON events (recordedtime, kind, exchange, sequence);
        CREATE TABLE outcomes (
            source text NOT NULL,
            id text NOT NULL,
            digest text NOT NULL,
            outcome text NOT NULL,
            document bytea NOT NULL,
            PRIMARY KEY (source, id)
        );
        """
    )
