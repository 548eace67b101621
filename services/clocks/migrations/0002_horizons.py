"""How far other buses are: no expiry is stated against an agency of theirs beyond that."""

from alembic import op

revision = "clocks_0002"
down_revision = "clocks_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute("CREATE TABLE horizons (bus text PRIMARY KEY, at timestamptz NOT NULL)")
