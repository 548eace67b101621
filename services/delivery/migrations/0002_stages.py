"""The stages that copies have reached, kept for ever: what a rebuild of clocks and timelines reads."""

from alembic import op

revision = "delivery_0002"
down_revision = "delivery_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        CREATE TABLE stages (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            sequence integer NOT NULL,
            recipient text NOT NULL,
            stage text NOT NULL,
            attempt integer NOT NULL,
            bus text NOT NULL,
            time timestamptz NOT NULL,
            PRIMARY KEY (kind, exchange, sequence, recipient, stage, attempt, bus)
        );
        """
    )
