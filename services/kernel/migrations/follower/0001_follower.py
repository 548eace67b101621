"""How far a follower has come in each exchange, and the exchanges that it had to stop."""

from alembic import op

revision = "follower_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE TABLE positions (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            sequence integer NOT NULL,
            PRIMARY KEY (kind, exchange)
        );
        CREATE TABLE stopped (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            sequence integer NOT NULL,
            reason text NOT NULL,
            poison boolean NOT NULL,
            since timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (kind, exchange)
        );
        """
    )
