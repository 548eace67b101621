"""The outbox: what was decided and is not yet on Kafka."""

from alembic import op

revision = "outbox_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE TABLE outbox (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            owner text NOT NULL,
            topic text NOT NULL,
            key bytea NOT NULL,
            value bytea NOT NULL
        );
        CREATE INDEX outbox_owner ON outbox (owner, id);
        """
    )
