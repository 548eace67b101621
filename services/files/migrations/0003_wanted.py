"""Which attachments are to be fetched from another bus, and when."""

from alembic import op

revision = "files_0003"
down_revision = "files_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table. `tried`: when it was last asked for; `next_at`: when it is next."""
    op.execute(
        """
        CREATE TABLE wanted (
            digest text NOT NULL,
            granter text NOT NULL,
            attempts integer NOT NULL DEFAULT 0,
            tried timestamptz,
            next_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (digest, granter)
        );
        CREATE INDEX wanted_next ON wanted (next_at);
        """
    )
