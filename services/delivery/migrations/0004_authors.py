"""Whose items wait for a recipient: each author's are found without looking through the others'."""

from alembic import op

revision = "delivery_0004"
down_revision = "delivery_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.execute(
        """
        CREATE INDEX queue_authors ON queue (agency, coalesce(author, ''), next_at, position)
        WHERE head AND state = 'waiting';
        """
    )
