"""How far other buses are, so that timelines can say of which clocks nothing certain is known yet."""

from alembic import op

revision = "audit_0005"
down_revision = "audit_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute("CREATE TABLE horizons (bus text PRIMARY KEY, at timestamptz NOT NULL)")
