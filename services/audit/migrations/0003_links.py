"""Links between exchanges, as facts state them."""

from alembic import op

revision = "audit_0003"
down_revision = "audit_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; no fact that was followed before states a link."""
    op.execute(
        """
        CREATE TABLE links (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            sequence integer NOT NULL,
            relation text NOT NULL,
            to_kind text NOT NULL,
            to_exchange uuid NOT NULL,
            to_sequence integer,
            UNIQUE NULLS NOT DISTINCT (kind, exchange, sequence, relation, to_kind, to_exchange, to_sequence)
        );
        CREATE INDEX links_to ON links (to_kind, to_exchange);
        """
    )
