"""What some event cites, and how large it is what each agency brought."""

from alembic import op

revision = "files_0002"
down_revision = "files_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; what was brought before nobody counted counts as cited, and stays."""
    op.execute(
        """
        ALTER TABLE holders ADD COLUMN size bigint NOT NULL DEFAULT 0;
        ALTER TABLE holders ALTER COLUMN size DROP DEFAULT;
        CREATE INDEX holders_agency ON holders (agency);
        CREATE INDEX uploads_digest ON uploads (digest);
        CREATE TABLE cited (digest text PRIMARY KEY);
        INSERT INTO cited SELECT digest FROM holders UNION SELECT digest FROM shown;
        """
    )
