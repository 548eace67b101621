"""Why an attempt to deliver a copy failed."""

from alembic import op

revision = "audit_0004"
down_revision = "audit_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was delivered before had no reason."""
    op.execute("ALTER TABLE deliveries ADD COLUMN reason text")
