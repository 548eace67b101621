"""Mirrored events: registered by another bus, so they are no submissions here and have no (source, id) of ours."""

from alembic import op

revision = "registrar_0002"
down_revision = "registrar_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let events be without them."""
    op.execute("ALTER TABLE events ALTER source DROP NOT NULL, ALTER id DROP NOT NULL")
