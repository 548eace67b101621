"""What waits to be brought to recipients by their channels, and what is known of each channel."""

from alembic import op

revision = "delivery_0003"
down_revision = "delivery_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; every copy so far was put into an inbox."""
    op.execute("ALTER TABLE stages ADD COLUMN reason text")
