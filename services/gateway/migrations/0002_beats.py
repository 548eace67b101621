"""When a gateway was last able to take submissions, and the outbox by which outages leave."""

from alembic import op

revision = "gateway_0002"
down_revision = "gateway_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; it has one row."""
    op.execute(
        """
        CREATE TABLE beats (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            real_at timestamptz NOT NULL,
            legal_at timestamptz NOT NULL
        ) WITH (fillfactor = 50);
        """
    )
